package people

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/store"
)

var (
	// ErrRefused: these are not the credentials of anybody who may sign in. There is one
	// such answer, whatever was wrong (ASVS 6.3.8).
	ErrRefused = errors.New("wrong email address or password")
	// ErrBusy: too many passwords are being looked at; say 429.
	ErrBusy = errors.New("busy with other sign-ins")
)

// Refusal is ErrRefused with what the audit log may know and nobody else.
type Refusal struct {
	UserID string // empty: there is no such account
	Why    string
}

func (r *Refusal) Error() string { return ErrRefused.Error() }

// Is makes every Refusal ErrRefused.
func (r *Refusal) Is(target error) bool { return target == ErrRefused }

// Accounts is what a Directory needs of the store.
type Accounts interface {
	UserByEmail(ctx context.Context, email string) (store.User, error)
	SetPassword(ctx context.Context, userID, was, hash string, ev store.Event) error
}

// Directory signs people in. It is safe for concurrent use.
type Directory struct {
	accounts Accounts
	slots    chan struct{} // one for each hash under way: each takes 19 MiB and a core, and half are for the others
	queue    atomic.Int64  // sign-ins that have a slot or wait for one
	dummy    string        // what the password of nobody is compared with
}

// queuePerSlot is how many may wait for each slot. Who comes later would wait for seconds,
// and hold a place that other requests need; it is better told at once.
const queuePerSlot = 64

// NewDirectory makes a Directory that computes as many hashes at once as there are cores.
func NewDirectory(accounts Accounts) *Directory {
	return &Directory{
		accounts: accounts,
		slots:    make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		dummy:    dummyHash(),
	}
}

// dummyHash takes as long to compare with as anybody's. It is nobody's secret, so one is
// enough for all directories.
var dummyHash = sync.OnceValue(func() string { return Hash("the password of nobody") })

// SignIn returns the person with this address and password, a *Refusal, ErrBusy when too
// many wait already or ctx ends first, or a fault of the store. A hash made in another way
// than today's is replaced.
func (d *Directory) SignIn(ctx context.Context, now time.Time, email, password string) (store.User, error) {
	if !d.enter() {
		return store.User{}, ErrBusy
	}
	defer d.leave()
	u, err := d.find(ctx, email)
	if err != nil {
		return store.User{}, fmt.Errorf("find account: %w", err)
	}
	if !d.take(ctx) {
		return store.User{}, ErrBusy
	}
	defer d.give()
	hash, exists := u.PasswordHash, u.PasswordHash != "" && !u.Disabled
	if !exists {
		hash = d.dummy
	}
	right, current := verify(hash, password)
	if !exists || !right {
		return store.User{}, refuse(u)
	}
	if !current {
		ev := store.Event{Time: now, Actor: u.ID, Action: "user.password-rehashed", Target: u.ID, Outcome: "ok"}
		// Not over another one: a password that was reset meanwhile must not come back by it.
		fresh := Hash(password)
		err := d.accounts.SetPassword(ctx, u.ID, u.PasswordHash, fresh, ev)
		if errors.Is(err, store.ErrNotFound) {
			return store.User{}, &Refusal{u.ID, "account or its password is gone"} // meanwhile
		}
		if err != nil {
			return store.User{}, fmt.Errorf("renew password hash: %w", err)
		}
		u.PasswordHash = fresh
	}
	return u, nil
}

// Hash is the hash of a new password, in its turn among the sign-ins. ErrBusy as for SignIn.
func (d *Directory) Hash(ctx context.Context, password string) (string, error) {
	if !d.enter() {
		return "", ErrBusy
	}
	defer d.leave()
	if !d.take(ctx) {
		return "", ErrBusy
	}
	defer d.give()
	return Hash(password), nil
}

// enter queues, unless too many do.
func (d *Directory) enter() bool {
	if d.queue.Add(1) > int64(cap(d.slots)*(1+queuePerSlot)) {
		d.leave()
		return false
	}
	return true
}

func (d *Directory) leave() { d.queue.Add(-1) }

// take waits for a slot.
func (d *Directory) take(ctx context.Context) bool {
	select {
	case d.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (d *Directory) give() { <-d.slots }

func refuse(u store.User) *Refusal {
	switch {
	case u.ID == "":
		return &Refusal{Why: "no such account"}
	case u.Disabled:
		return &Refusal{u.ID, "account is disabled"}
	case u.PasswordHash == "":
		return &Refusal{u.ID, "account has no password"}
	}
	return &Refusal{u.ID, "wrong password"}
}

// find returns the zero User where there is none.
func (d *Directory) find(ctx context.Context, email string) (store.User, error) {
	// An address that cannot be is looked up too: it takes the same time.
	u, err := d.accounts.UserByEmail(ctx, Address(email))
	if errors.Is(err, store.ErrNotFound) {
		return store.User{}, nil
	}
	return u, err
}
