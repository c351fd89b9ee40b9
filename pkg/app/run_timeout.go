package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/pipeline"
)

// endBy runs lanes and ends them after limit; 0 means never. If it ends them, its error
// names the lanes that are not done.
func endBy(ctx context.Context, limit time.Duration, lanes *pipeline.Set, run func(context.Context) error) error {
	if limit == 0 {
		return run(ctx)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	late := make(chan []pipeline.Status, 1)
	timer := time.AfterFunc(limit, func() {
		late <- lanes.Statuses() // before they end, since an ended lane has no reason
		cancel()
	})
	err := run(ctx)
	if timer.Stop() {
		return err
	}
	if left := undone(<-late, lanes.Statuses()); len(left) > 0 {
		err = errors.Join(fmt.Errorf("--timeout %s has passed, and these lanes are not done:\n%s", limit, strings.Join(left, "\n")), err)
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
