// Package browser holds the tests that drive every page in a real Chromium, as a person
// would: with a mouse, with the keyboard alone, and without JavaScript. Whatever the browser
// complains about or loads from elsewhere fails a test, and so does what axe-core finds in a
// page. Set GATEHOUSE_SCREENSHOTS to a directory to keep the pictures that they take.
//
// Start reading at TestPersonSignsInAllowsAndIsBackAtTheApplication; window_test.go is the
// browser, installation_test.go and declared_test.go are what it visits.
package browser
