// Package model is what the server serves: the accepted declarations, as plain values.
//
// A Snapshot is made by internal/compile, swapped into the server whole, and never
// changed afterwards, so everything here may be read by any number of goroutines. The
// package decides nothing, reads no clock and prints no secret. Start reading at
// snapshot.go.
package model
