package controllers

import "sync"

// adopted are the IDs of the objects that go on as one before them, by UID. They outlive the
// manager and its world.
type adopted struct {
	mu    sync.Mutex
	ids   map[string]string
	again func() // has everything judged again; nil: nobody judges yet
}

func (a *adopted) replace(ids map[string]string) {
	a.mu.Lock()
	a.ids = ids
	again := a.again
	a.mu.Unlock()
	if again != nil {
		again()
	}
}

func (a *adopted) follow(again func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.again = again
}

// read may be called on nil: nothing was adopted.
func (a *adopted) read() map[string]string {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ids
}
