package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/pipeline"
)

// endBy calls run, which ends when all lanes are done. If ctx ends before, or limit passes
// (0 is no limit), it ends run and fails if a lane is not done then: whoever runs it in a
// script must not take that for success.
func endBy(ctx context.Context, limit time.Duration, lanes *pipeline.Set, run func(context.Context) error) error {
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	type end struct {
		why   string
		lanes []pipeline.Status
	}
	ends := make(chan end, 2)
	because := func(why string) func() {
		return func() {
			ends <- end{why, lanes.Statuses()} // before they end, since an ended lane has no reason
			cancel()
		}
	}
	interrupted := context.AfterFunc(ctx, because("the run was ended"))
	timeout := func() bool { return true }
	if limit > 0 {
		timeout = time.AfterFunc(limit, because(fmt.Sprintf("--timeout %s has passed", limit))).Stop
	}
	err := run(running)
	if inTime := interrupted(); timeout() && inTime {
		return err
	}
	early := <-ends
	if left := undone(early.lanes, lanes.Statuses()); len(left) > 0 {
		err = errors.Join(fmt.Errorf("%s, and these lanes are not done:\n%s", early.why, strings.Join(left, "\n")), err)
	}
	return err
}

// undone lists the lanes that were done neither in time nor while they ended, with the
// reason of each.
func undone(then, now []pipeline.Status) []string {
	var left []string
	for i, s := range then {
		if s.Done || now[i].Done {
			continue
		}
		why := s.Reason
		if why == "" {
			why = fmt.Sprintf("still catching up: %d events read, %d delivered", s.Read, s.Published)
		}
		left = append(left, fmt.Sprintf("lane %s: %s", s.Lane, why))
	}
	return left
}
