package ledger

import (
	"context"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// failure says how a commit failed, and whether the lane has to pause. The producer is
// closed already. Kafka gives the same answer to a producer whose id expired, and to
// one whose id another took after it expired. Only the position shows which it is.
func (l *Ledger) failure(ctx context.Context, err error) error {
	over := isExpired(err)
	switch {
	case !over && !isFenced(err):
		return l.commitError(err)
	case l.settings.Confirm != nil && over:
		return l.commitError(&expired{cause: err})
	case l.settings.Confirm != nil:
		return l.commitError(sink.Hint(&fenced{cause: err}, "another replica took the lane; this one takes it again only if the group assigns it here"))
	}
	moved, set := l.moved(ctx)
	switch {
	case set:
		return l.commitError(sink.ErrMoved)
	case over && !moved:
		return l.commitError(&expired{cause: err})
	}
	return l.commitError(sink.Hint(sink.RetryAfter(&fenced{cause: err}, l.pause.Next()), anotherInstance))
}

const anotherInstance = "another instance runs this lane: stop one of them, or give one its own namespace; to share lanes among replicas set state.type to kafka"

// moved reports whether another moved the position since this ledger read it, and
// whether a person set it: then no other instance runs the lane. It does not take the
// lane. If the position cannot be read, the next taking finds out.
func (l *Ledger) moved(ctx context.Context) (moved, set bool) {
	e, err := l.Look(ctx)
	moved = err == nil && e.Commit != l.knownCommit && e.Commit != l.triedCommit
	return moved, moved && e.Set
}
