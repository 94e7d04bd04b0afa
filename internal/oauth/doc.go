// Package oauth holds the words of the protocol: its errors, grant types and scopes.
//
// It knows the RFCs and nothing of ours: no organization, no storage, no HTTP. It
// imports the standard library only. Start reading at error.go.
package oauth
