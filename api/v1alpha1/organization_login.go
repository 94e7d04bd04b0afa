package v1alpha1

// Login says how people sign in to an Organization. All of it but the order of
// authProviders restricts: with a value that is none, the Organization is not
// served, never served without it.
type Login struct {
	// The providers that count here, in the order shown: those of this
	// Organization, and those of the installation. Default: all of its own, then
	// every one of the installation. Example:
	// `[{name: acme-okta}, {name: local, namespace: gatehouse-system}]`.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	// +optional
	AuthProviders []ObjectReference `json:"authProviders,omitempty"`
	// Whether only sign-ins by a provider elsewhere count: passwords that
	// Gatehouse keeps do not, but for those of breakGlass. Default: false.
	// +optional
	EnforceSSO bool `json:"enforceSSO,omitempty"`
	// A sign-in by a provider elsewhere counts for this long, from 1m to 8760h;
	// then people sign in there again, and refresh tokens end. Default: 168h.
	// +optional
	SSOMaxAge Duration `json:"ssoMaxAge,omitempty"`
	// Whether people need a second factor.
	// +optional
	SecondFactor *SecondFactorRule `json:"secondFactor,omitempty"`
	// How long a session counts here. It never counts for longer than it does
	// anywhere.
	// +optional
	Session *SessionLimits `json:"session,omitempty"`
	// Who may sign in with a password that Gatehouse keeps under enforceSSO, for
	// the day when the provider elsewhere is down: always with a second factor,
	// and named in the audit log.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=user
	// +optional
	BreakGlass []BreakGlass `json:"breakGlass,omitempty"`
}

// SecondFactorRule says whether people need a second factor.
type SecondFactorRule struct {
	// `Optional`: whoever has one is asked for it. `Required`: a sign-in without
	// one does not count here.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z]*$`
	Mode string `json:"mode"`
	// With mode Required: how long somebody who has no second factor may go on
	// after they were first told to add one, from 0s to 2160h. Default: 168h.
	// +optional
	GracePeriod Duration `json:"gracePeriod,omitempty"`
	// Whether a second factor that was proven at the provider elsewhere counts, if
	// that provider says so (`mfa` in its amr). Default: false.
	// +optional
	AcceptProviderAMR bool `json:"acceptProviderAMR,omitempty"`
}

// The values of SecondFactorRule.Mode.
const (
	SecondFactorOptional = "Optional"
	SecondFactorRequired = "Required"
)

// SessionLimits bound how long a session counts for an Organization.
type SessionLimits struct {
	// A session that nobody used for this long no longer counts, from 5m to 24h.
	// Use is noted by the minute. Default: 24h.
	// +optional
	IdleTimeout Duration `json:"idleTimeout,omitempty"`
	// A sign-in counts for this long, however much it is used, from 1m to 720h.
	// Default: 720h.
	// +optional
	AbsoluteLifetime Duration `json:"absoluteLifetime,omitempty"`
}

// BreakGlass names somebody who gets in when the provider elsewhere is down.
type BreakGlass struct {
	// Address of the person, which they have proven here; compared in lower case.
	// Example: `owner@acme.com`.
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=254
	User string `json:"user"`
}

// Domain is a domain of addresses, in lower case. Example: `acme.com`.
// +kubebuilder:validation:MinLength=3
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9]*[a-z0-9])?\.)+[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
type Domain string

// Branding is what of an Organization people see on the pages that they sign in
// and decide on for its applications.
type Branding struct {
	// Colour of the buttons, as #rrggbb. The text on it is black or white,
	// whichever can be read better. Default: that of
	// every page. Example: `#5b3df5`.
	// +kubebuilder:validation:MinLength=7
	// +kubebuilder:validation:MaxLength=7
	// +kubebuilder:validation:Pattern=`^#[0-9a-fA-F]{6}$`
	// +optional
	PrimaryColor string `json:"primaryColor,omitempty"`
	// Where people get help, an https URL. Default: none. Example:
	// `https://help.acme.com`.
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^https://[^\s]+$`
	// +optional
	SupportURL string `json:"supportURL,omitempty"`
	// Picture shown at the top, as `data:image/png;base64,…`: PNG alone, at most
	// 64 KiB and 1024 pixels in each direction; Gatehouse serves it.
	// Default: none.
	// +kubebuilder:validation:MinLength=32
	// +kubebuilder:validation:MaxLength=87424
	// +kubebuilder:validation:Pattern=`^data:image/png;base64,[A-Za-z0-9+/]+={0,2}$`
	// +optional
	Logo string `json:"logo,omitempty"`
}
