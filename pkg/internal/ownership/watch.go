package ownership

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// watch starts what is owned once the coordinator has said that we are a member,
// and lets go of it when that was so long ago that the session may end soon.
//
// It sends heartbeats of its own. Those of kgo are not told to anyone, and a
// coordinator that cannot be reached is found missing only when they have been
// retried for a session, each try waiting for a connection and an answer in its
// turn; while kgo waits to join, which may take as long as a rebalance, it sends
// none. The coordinator does not mind to hear from a member twice.
func (o *Ownership) watch(ctx context.Context) {
	const valid = session - grace  // of an answer, from when it was asked for
	until := time.Now().Add(valid) // when to let go
	err := errSilent               // and why
	for lapsed := false; ctx.Err() == nil; {
		// Looked at before anything is asked: this may be the first thing that
		// happens after a long sleep.
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
	errSilent   = errors.New("no answer for too long")
	errNoMember = errors.New("not a member of the group")
)

// lapsed tells why this replica is not known to be a member. That it is none is
// told only where kgo has not said why.
func (o *Ownership) lapsed(err error) {
	if !errors.Is(err, errNoMember) || o.report.last() == nil {
		o.report.fail(o.settings.explain(err))
	}
}

// member asks the coordinator whether we are a member of the group, and returns
// which. An answer that is seen only after the deadline says nothing about the
// present.
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
	// The answer to members of a group that is sharing out partitions anew.
	if errors.Is(err, kerr.RebalanceInProgress) {
		return nil
	}
	return err
}

// within returns when f has, or else when ctx ends: f goes on then until Run
// ends. A request of kgo that waits for a connection which another one is making
// does not look at its context until that came about or failed.
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
