package v1alpha1

// Condition types. Accepted, ResolvedRefs, Programmed and Ready are always present and
// True when all is well; Reconciling and Stalled are present only when something is not
// (the words of kstatus), Insecure only when a served setting weakens.
const (
	// Accepted: the declaration is valid and admitted.
	Accepted = "Accepted"
	// ResolvedRefs: everything it refers to exists and may be referred to.
	ResolvedRefs = "ResolvedRefs"
	// Programmed: the server serves it.
	Programmed = "Programmed"
	// Ready: Accepted, ResolvedRefs and Programmed are all True.
	Ready = "Ready"
	// Reconciling: not Ready, and somebody else's object, or Gatehouse, may cure it.
	Reconciling = "Reconciling"
	// Stalled: not Ready, and only an edit of this object cures it.
	Stalled = "Stalled"
	// Reachable: a provider elsewhere was asked and has answered. It is about that one's
	// server and not about the declaration: Ready does not depend on it.
	Reachable = "Reachable"
	// Insecure: it is served, with a setting that weakens.
	Insecure = "Insecure"
)

// Reason is the one-word cause of a condition. The order of Reasons is the order of
// precedence: with several findings, the first listed one is the reason.
type Reason string

// Reasons.
const (
	ReasonAccepted         Reason = "Accepted"
	ReasonInvalidSpec      Reason = "InvalidSpec"
	ReasonUnsupportedValue Reason = "UnsupportedValue"
	ReasonNotAdmitted      Reason = "NotAdmitted"
	ReasonSlugNotGranted   Reason = "SlugNotGranted"
	ReasonSlugConflict     Reason = "SlugConflict"
	ReasonClientIDConflict Reason = "ClientIDConflict"
	ReasonAudienceConflict Reason = "AudienceConflict"
	ReasonCycleDetected    Reason = "CycleDetected"

	ReasonResolved         Reason = "Resolved"
	ReasonSecretNotFound   Reason = "SecretNotFound"
	ReasonSecretKeyMissing Reason = "SecretKeyMissing"
	ReasonSecretNotOwned   Reason = "SecretNotOwned"
	ReasonRefNotFound      Reason = "RefNotFound"
	ReasonUnknownScope     Reason = "UnknownScope"

	ReasonProgrammed          Reason = "Programmed"
	ReasonSuspended           Reason = "Suspended"
	ReasonPartiallyProgrammed Reason = "PartiallyProgrammed"
	ReasonNotServed           Reason = "NotServed"
	ReasonExpired             Reason = "Expired"
	ReasonPending             Reason = "Pending"
	ReasonStorageError        Reason = "StorageError"

	ReasonReachable     Reason = "Reachable"
	ReasonUnreachable   Reason = "Unreachable"
	ReasonInvalidAnswer Reason = "InvalidAnswer"

	ReasonLoopbackRedirect Reason = "LoopbackRedirect"
	ReasonWeakSignIn       Reason = "WeakSignIn"
)

// Verdict describes a Reason: the condition it belongs to, the status it gives, who can
// cure it, and how.
type Verdict struct {
	Reason    Reason
	Condition string // Accepted, ResolvedRefs, Programmed, Reachable or Insecure
	True      bool   // the status that the condition has with this reason
	Stalled   bool   // only an edit of this object cures it
	Cure      string // what to do now; empty where nothing is wrong
}

// Verdicts lists every Reason, in order of precedence within its condition.
var Verdicts = []Verdict{
	{ReasonAccepted, Accepted, true, false, ""},
	{ReasonInvalidSpec, Accepted, false, true, "Correct the field that the message names."},
	{ReasonUnsupportedValue, Accepted, false, true, "Use one of the values that the message lists; this version serves no other."},
	{ReasonNotAdmitted, Accepted, false, false, "Check spec.organizationRef. If it is right, ask the Organization's administrator to admit this namespace in spec.allowedNamespaces. An AuthProvider without spec.organizationRef belongs in the system namespace."},
	{ReasonSlugNotGranted, Accepted, false, false, "Use the namespace's own name as slug, or ask a cluster administrator to list the slug in the Namespace's annotation auth.gatehouse.dev/slugs."},
	{ReasonSlugConflict, Accepted, false, false, "Another, older Organization has this slug. Choose another one, or delete the older Organization."},
	{ReasonClientIDConflict, Accepted, false, false, "Another, older ApiApplication has this client ID. Choose another one, or delete the older ApiApplication."},
	{ReasonAudienceConflict, Accepted, false, false, "Another, older ApiApplication has this audience. Choose another one, or delete the older ApiApplication."},
	{ReasonCycleDetected, Accepted, false, false, "Remove one of the inherits entries of the cycle that the message shows."},

	{ReasonResolved, ResolvedRefs, true, false, ""},
	{ReasonSecretNotFound, ResolvedRefs, false, false, "Create the Secret in this namespace with the label auth.gatehouse.dev/secret: input. Gatehouse waits for it and picks it up by itself."},
	{ReasonSecretKeyMissing, ResolvedRefs, false, false, "Add the key to the Secret, or correct what is under it as the message says. A client secret of an ApiApplication has 32 to 256 printable ASCII characters and no spaces; one line end after it is forgiven."},
	{ReasonSecretNotOwned, ResolvedRefs, false, false, "Choose another spec.credentials.output.secretName, or delete the Secret of that name; Gatehouse overwrites none that it did not make, and tries again by itself."},
	{ReasonRefNotFound, ResolvedRefs, false, false, "Create the object that the message names, or correct the reference."},
	{ReasonUnknownScope, ResolvedRefs, false, false, "Correct the scope, or add it to the Organization's spec.scopes.custom."},

	{ReasonProgrammed, Programmed, true, false, ""},
	{ReasonSuspended, Programmed, true, false, "Set spec.suspend to false to serve it again."},
	{ReasonPartiallyProgrammed, Programmed, false, false, "The parts that the message names are left out; everything else is served."},
	{ReasonNotServed, Programmed, false, false, "Cure what the message names, or what Accepted and ResolvedRefs say; it is not served until then."},
	{ReasonExpired, Programmed, false, false, "Move spec.expiresAt into the future, or delete the object."},
	{ReasonPending, Programmed, false, false, "Wait: the first snapshot has not been published yet, or the Secret with its client secret is about to be written."},
	{ReasonStorageError, Programmed, false, false, "The store refused a write; see the server's log. Gatehouse tries again by itself."},

	{ReasonReachable, Reachable, true, false, ""},
	{ReasonUnreachable, Reachable, false, false, "See the message: the provider's server, or the way to it. Addresses that are not public need --allow-upstream-cidr. People who have signed in stay so; what was last read from the provider stays in use."},
	{ReasonInvalidAnswer, Reachable, false, false, "Compare the addresses in the spec with what the provider says of itself; the message names what does not fit. What was last read from it stays in use."},

	{ReasonLoopbackRedirect, Insecure, true, false, "Remove the http URI before people use it, or make it https; any program on a person's computer may listen there."},
	{ReasonWeakSignIn, Insecure, true, false, "Change the setting that the message names, unless the provider or its people cannot do without it."},
}
