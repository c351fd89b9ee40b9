package pipeline

import (
	"context"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

// read puts the source's pages into the queue, oldest first. It ends with ctx or, with
// Once, after a page that says that nothing waits behind it.
func (l *Lane) read(ctx context.Context, r source.Reader, out *queue) error {
	var failed time.Time
	var discarded uint64
	for {
		var got source.Page
		err := l.reading.until(ctx, func() (err error) {
			if got, err = r.Next(ctx); err != nil {
				// A long walk requests many pages before it returns the first. Single
				// failures must not slow it down as failures in a row do. An error that
				// discards the walk is a failure of the whole walk, however many pages it
				// read.
				now := r.Progress()
				if now.LastRead.After(failed) && now.WalksFailed == discarded {
					l.reading.wait.Reset()
				}
				failed, discarded = time.Now(), now.WalksFailed
			}
			return err
		})
		if err != nil {
			return err
		}
		p := newPage(got)
		if err := l.hand(ctx, p, out); err != nil {
			return err
		}
		if l.Once && p.caughtUp {
			return nil
		}
	}
}

// hand puts a page into the queue. A reader and an auditor hand pages.
func (l *Lane) hand(ctx context.Context, p *page, out *queue) error {
	l.handing.Lock()
	defer l.handing.Unlock()
	l.state.handing(p)
	if err := out.put(ctx, p); err != nil {
		return err
	}
	l.state.handed()
	return nil
}

func newPage(got source.Page) *page {
	p := &page{events: got.Events, bare: len(got.Events) == 0, next: got.Next, caughtUp: got.CaughtUp, read: time.Now(), bytes: int64(len(got.Next)) + eventBytes*int64(len(got.Events))}
	for i := range got.Events {
		p.bytes += int64(len(got.Events[i].Raw))
	}
	if len(got.Events) > 0 {
		p.oldest = got.Events[0].Time
	}
	return p
}
