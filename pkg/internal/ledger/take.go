package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// takeTimeout is how long a taking waits for other lanes' transactions before it
// returns an error that says so. The next taking waits again.
const takeTimeout = 15 * time.Second

// Take takes the lane and returns its position, nil if the ledger keeps none. Call it
// before the lane goes on from a position, and again after ErrMoved.
func (l *Ledger) Take(ctx context.Context) ([]byte, error) {
	e, err := l.takeLane(ctx)
	if err != nil {
		return nil, err
	}
	if err := l.mismatch(e); err != nil {
		return nil, err
	}
	l.knownCommit, l.triedCommit, l.read = e.Commit, "", true
	return e.Position, nil
}

// takeLane follows the steps of the package documentation, in their order, and returns
// the lane's newest entry.
func (l *Ledger) takeLane(ctx context.Context) (Entry, error) {
	l.dropProducer()
	if l.settings.Confirm != nil {
		if err := l.settings.Confirm(ctx); err != nil {
			return Entry{}, l.takeError(err)
		}
	}
	view, err := l.cluster.open()
	if err != nil {
		return Entry{}, err
	}
	defer view.close()
	if err := view.prepare(ctx); err != nil {
		return Entry{}, l.takeError(err)
	}
	p, err := l.cluster.initProducer(ctx)
	if err != nil {
		return Entry{}, l.takeError(err)
	}
	e, err := l.readEntry(ctx, view)
	if err != nil {
		p.close()
		return Entry{}, l.takeError(err)
	}
	return e, l.holdProducer(p)
}

func (l *Ledger) takeError(err error) error {
	return fmt.Errorf("taking lane %s: %w", l.lane, err)
}

// Look returns the lane's newest entry without taking the lane. An entry without a
// commit says that there is none.
func (l *Ledger) Look(ctx context.Context) (Entry, error) {
	view, err := l.cluster.open()
	if err != nil {
		return Entry{}, err
	}
	defer view.close()
	e, err := l.readEntry(ctx, view)
	if errors.Is(err, ErrNoTopic) {
		return Entry{}, nil
	}
	if err != nil {
		return Entry{}, fmt.Errorf("reading position of lane %s: %w", l.lane, err)
	}
	return e, nil
}

// readEntry returns the lane's newest entry.
func (l *Ledger) readEntry(ctx context.Context, view partition) (Entry, error) {
	value, err := l.newestEntry(ctx, view)
	if err != nil || value == nil {
		return Entry{}, err
	}
	return decode(value, l.lane)
}

// newestEntry returns the lane's newest entry below the high watermark as it is in Kafka,
// after every transaction below it has ended; nil if there is none.
func (l *Ledger) newestEntry(ctx context.Context, view partition) ([]byte, error) {
	end, err := view.highWatermark(ctx)
	if err != nil {
		return nil, err
	}
	if err := l.awaitStable(ctx, view, end); err != nil {
		return nil, err
	}
	return view.newest(ctx, end)
}

// awaitStable waits until no transaction is open below end.
func (l *Ledger) awaitStable(ctx context.Context, view partition, end int64) error {
	began, told := time.Now(), false
	for {
		stable, err := view.lastStable(ctx)
		if err != nil || stable >= end {
			return err
		}
		if waited := time.Since(began); waited >= takeTimeout {
			return &openTransactions{waited: waited.Round(time.Second), from: stable, to: end, end: view.abort(stable)}
		}
		if !told {
			l.settings.Log.Info().Int64("from", stable).Int64("to", end).Msg("waiting for transactions of other lanes to end before the position is read")
			told = true
		}
		if err := wait(ctx, askInterval); err != nil {
			return &openTransactions{waited: time.Since(began).Round(time.Second), from: stable, to: end, end: view.abort(stable), cause: err}
		}
	}
}

// askInterval is the pause between two questions to a broker about the same thing.
const askInterval = 100 * time.Millisecond

// eventually calls f until it returns again as false, for takeTimeout at most.
func eventually(ctx context.Context, f func() (again bool, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, takeTimeout)
	defer cancel()
	for {
		again, err := f()
		if !again || wait(ctx, askInterval) != nil {
			return err
		}
	}
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// mismatch refuses a position behind records in another topic, and a position that was
// given to another lane.
func (l *Ledger) mismatch(e Entry) error {
	if e.Renamed != "" {
		l.dropProducer()
		return l.takeError(sink.Destination(fmt.Errorf("its position was given to lane %s", e.Renamed),
			"run the lane under its new name; for a new lane under this name, "+l.setHint()))
	}
	if l.settings.Topic == "" || e.Topic == "" || e.Topic == l.settings.Topic || e.Position == nil {
		return nil
	}
	l.dropProducer()
	return l.takeError(sink.Destination(
		fmt.Errorf("its position belongs to records in topic %s, and the sink writes to topic %s", e.Topic, l.settings.Topic),
		fmt.Sprintf("set the position from which the lane goes on in topic %s: sluice checkpoint set -c FILE --to TIME %s", l.settings.Topic, l.lane)))
}

// setHint is for a lane that has no position, or the wrong one.
func (l *Ledger) setHint() string {
	return "set the position from which the lane goes on: sluice checkpoint set -c FILE --to beginning|now|TIME " + l.lane
}
