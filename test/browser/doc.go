// Package browser holds the tests that drive every page in a real Chromium, as a person
// would: with a mouse, with the keyboard alone, and without JavaScript. Set
// GATEHOUSE_SCREENSHOTS to a directory to keep the pictures that they take.
package browser
