// Package people holds accounts and passwords: creating a person, and signing one in.
//
// A password is compared byte for byte, kept as argon2id, and never printed, trimmed or
// cut. Whether an account exists, is disabled or has no password shows neither in the
// answer nor in the time it takes; an imported bcrypt hash takes its own time until the
// first sign-in with it. Throttling is done by the caller (server/limits), and
// sessions are kept in server/sessions. Start reading at signin.go; create.go and
// import.go are what the command line uses.
package people
