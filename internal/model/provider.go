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
}
