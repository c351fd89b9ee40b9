package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/deadletter"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// The most letters that are committed together, and their bytes. A single letter may be
// larger.
const (
	redriveLetters = 1000
	redriveBytes   = 4 << 20
)

// shared redrives the letters of a lane that its sink or the state keeps; n is the number of
// published ones. If the sink keeps them, publishing and remembering are one step. Otherwise
// letters that were published are remembered afterwards, so a crash in between publishes
// them twice.
func (r *redriving) shared(ctx context.Context, cfg *config.Config, l config.Lane) (n int, err error) {
	box, atOnce := r.sink.(sink.Redriver)
	if keeps, ok := l.Sink.Settings.(sink.KeepsRejects); !atOnce && ok && keeps.KeepsRejects() != "" {
		return 0, noRedrive(l, keeps.KeepsRejects())
	}
	if !atOnce {
		positions := sharedOf(cfg).positions(confirmNothing, zerolog.Nop())
		defer positions.Close()
		redrive := positions.Redrive(l.Name)
		defer redrive.Close()
		box = redrive
	}
	flush := r.publishThenCommit
	if atOnce {
		flush = r.commit
	}
	var letters []deadletter.Letter
	var unreadable error
	size := 0
	for reject, err := range box.Letters(ctx) {
		if err != nil {
			unreadable = errors.Join(unreadable, err)
			continue
		}
		letters = append(letters, deadletter.Letter{Lane: l.Name, Reject: reject})
		if size += len(reject.Raw) + len(reject.Record.Body); len(letters) < redriveLetters && size < redriveBytes {
			continue
		}
		published, err := flush(ctx, box, letters)
		if n += published; err != nil {
			return n, errors.Join(err, unreadable)
		}
		letters, size = nil, 0
	}
	if len(letters) > 0 {
		published, err := flush(ctx, box, letters)
		return n + published, errors.Join(err, unreadable)
	}
	return n, unreadable
}

// noRedrive is the error of a sink that keeps dead letters and cannot say which were redriven.
func noRedrive(l config.Lane, where string) error {
	return sink.Hint(fmt.Errorf("dead letters of lane %s are in %s, from where they cannot be redriven", l.Name, where),
		"once the reason is gone, deliver the events again with sluice replay; sluice deadletter list names them")
}

// publishThenCommit publishes letters, and then commits which ones were published.
func (r *redriving) publishThenCommit(ctx context.Context, box sink.Redriver, letters []deadletter.Letter) (published int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	kept, err := r.publish(ctx, letters)
	published = len(letters) - len(kept)
	if err != nil && published == 0 {
		return 0, err
	}
	// What was published must be remembered even if ctx has ended.
	return published, errors.Join(err, box.Redriven(context.WithoutCancel(ctx), nil, rejectsOf(kept)))
}

// commit publishes letters and commits that they were redriven, in one step.
func (r *redriving) commit(ctx context.Context, box sink.Redriver, letters []deadletter.Letter) (published int, err error) {
	var records []sink.Record
	var of []deadletter.Letter // the letter of each record
	var kept []deadletter.Letter
	refuse := func(l deadletter.Letter, reason error) {
		l.Reason, l.Time = reason.Error(), time.Now().UTC()
		kept = append(kept, l)
	}
	for _, l := range letters {
		record, err := r.again(l)
		if err != nil {
			refuse(l, err)
			continue
		}
		records, of = append(records, record), append(of, l)
	}
	for {
		var refused sink.BatchError
		err := box.Redriven(ctx, records, rejectsOf(kept))
		switch {
		case err == nil:
			for _, l := range kept {
				r.note(l)
			}
			return len(records), nil
		case !errors.As(err, &refused):
			return 0, err
		}
		faults, err := refused.Faults(len(records))
		if err != nil {
			return 0, err
		}
		var left []sink.Record
		var leftOf []deadletter.Letter
		for i, fault := range faults {
			if fault != nil {
				refuse(of[i], fault)
				continue
			}
			left, leftOf = append(left, records[i]), append(leftOf, of[i])
		}
		records, of = left, leftOf
	}
}

func rejectsOf(letters []deadletter.Letter) (rejects []sink.Reject) {
	for _, l := range letters {
		rejects = append(rejects, l.Reject)
	}
	return rejects
}
