package ownership

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// watch starts the owned partitions once the coordinator has confirmed this member. It
// suspends them when the last confirmation is so old that the session may end soon.
//
// It sends heartbeats of its own. kgo does not report the outcome of its heartbeats. It
// notices that the coordinator cannot be reached only after it has retried for a session.
// While it waits to join, for up to a rebalance, it sends none. The coordinator accepts two
// heartbeats from one member.
func (o *Ownership) watch(ctx context.Context) {
	const valid = session - grace  // how long a confirmation counts, from its request on
	until := time.Now().Add(valid) // when to suspend
	err := errSilent               // and why
	for lapsed := false; ctx.Err() == nil; {
		// The clock comes first: the process may have been stopped until now.
		if !lapsed && !time.Now().Before(until) {
			lapsed = true
			o.suspend("")
			o.lapsed(err)
		}
		asked := time.Now()
		deadline := until
		if lapsed {
			deadline = asked.Add(valid)
		}
		member, failed := o.member(ctx, deadline)
		switch {
		case failed == nil:
			until, lapsed, err = asked.Add(valid), false, errSilent
			o.report.mended()
			o.start(ctx, member)
		case lapsed && ctx.Err() == nil:
			o.lapsed(failed)
		default:
			err = failed
		}
		wait := heartbeat
		if !lapsed {
			wait = min(wait, time.Until(until))
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		case <-o.again:
		}
	}
}

var (
	errSilent   = errors.New("the coordinator did not answer for too long")
	errNoMember = errors.New("this replica is not a member of the group")
)

// lapsed reports why this replica may no longer be a member. errNoMember gives no reason, so
// it is not reported over an error that does.
func (o *Ownership) lapsed(err error) {
	if !errors.Is(err, errNoMember) || o.report.last() == nil {
		o.report.fail(o.settings.explain(err))
	}
}

// member asks the coordinator whether this replica is a member of the group, and returns its
// member id. An answer that is read after the deadline does not count.
func (o *Ownership) member(ctx context.Context, deadline time.Time) (string, error) {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	member, generation := o.client.GroupMetadata()
	err := o.within(ctx, func() error { return o.beat(ctx, member, generation) })
	if err == nil && !time.Now().Before(deadline) {
		err = context.DeadlineExceeded
	}
	if trouble := o.client.Trouble(); err != nil && trouble != nil {
		err = fmt.Errorf("%w: %w", err, trouble)
	}
	if err != nil {
		return "", fmt.Errorf("asking the coordinator of group %s: %w", o.settings.Group, err)
	}
	return member, nil
}

func (o *Ownership) beat(ctx context.Context, member string, generation int32) error {
	if member == "" {
		return errNoMember
	}
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.MemberID, req.Generation = o.settings.Group, member, generation
	req.InstanceID = o.settings.instance()
	resp, err := req.RequestWith(ctx, o.client)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	// A member gets this answer during a rebalance.
	if errors.Is(err, kerr.RebalanceInProgress) {
		return nil
	}
	return err
}

// within returns when f returns or ctx ends. After ctx ended, f may go on until Run ends:
// a request of kgo that waits for a connection which another request opens does not notice
// the end of its context.
func (o *Ownership) within(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	o.asking.Go(func() { done <- f() })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
