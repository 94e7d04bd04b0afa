package cli

import (
	"context"
	"fmt"
	"time"
)

// followAdoptionsEvery is how often a server looks for adoptions: it acts on one within a
// second.
const followAdoptionsEvery = 500 * time.Millisecond

// readAdoptions tells the source which objects go on as one before them.
func (in *installation) readAdoptions(ctx context.Context) (last int64, err error) {
	if last, err = in.db.LastAdoption(ctx); err != nil { // first: one that comes meanwhile is read again
		return 0, fmt.Errorf("read adoptions: %w", err)
	}
	adoptions, err := in.db.Adoptions(ctx)
	if err != nil {
		return 0, fmt.Errorf("read adoptions: %w", err)
	}
	ids := make(map[string]string, len(adoptions))
	for _, a := range adoptions {
		ids[a.UID] = a.ID
	}
	in.source.Adopt(ids)
	return last, nil
}

// followAdoptions has the source act on every adoption, until ctx ends. While the store does
// not answer, what was read last stays in force.
func (in *installation) followAdoptions(ctx context.Context) error {
	tick := time.NewTicker(followAdoptionsEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		last, err := in.db.LastAdoption(ctx)
		if err == nil && last != in.adoptions {
			if last, err = in.readAdoptions(ctx); err == nil {
				in.adoptions = last
				in.log.Info("objects were adopted", "last", last)
			}
		}
		if err != nil && ctx.Err() == nil {
			in.log.Warn("adoptions cannot be read, those read last are in force", "error", err)
		}
	}
}
