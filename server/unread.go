package server

import (
	"context"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// withUnread adds what was last declared in namespaces of which nothing is known now. It is
// not served, but an outage is no absence: what was issued for it is in force again as soon
// as the namespace can be read.
func (s *Server) withUnread(ctx context.Context, next *model.Snapshot, declared []store.Object) ([]store.Object, error) {
	if len(next.Unread) == 0 {
		return declared, nil
	}
	unseen, err := s.Store.PresentIn(ctx, next.Unread)
	return append(declared, unseen...), err
}
