package model

// Provider is a way to sign in.
type Provider struct {
	UID         string
	Namespace   string
	Name        string
	Type        string // Local
	DisplayName string
	Local       *LocalPolicy // set for type Local
}

// LocalPolicy is what a new password must satisfy.
type LocalPolicy struct {
	MinLength   int // characters
	CheckCommon bool
	// Registration is who may make an account; empty: RegistrationClosed.
	Registration string
	// ResetEnabled: people may have a link mailed to them that sets a new password.
	ResetEnabled bool
}

// Who may make an account with an address and a password.
const (
	RegistrationClosed         = "Closed"         // nobody: administrators do
	RegistrationInvitationOnly = "InvitationOnly" // who is invited
	RegistrationOpen           = "Open"           // anybody who proves an address
)

// Registers reports whether somebody may make an account, invited or not.
func (p *LocalPolicy) Registers(invited bool) bool {
	return p.Registration == RegistrationOpen || invited && p.Registration == RegistrationInvitationOnly
}
