package pipeline_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// bareLog returns a page without an event before each other page. Its position is 1000
// behind that of the events.
type bareLog struct{ *eventLog }

type bareReader struct {
	source.Reader
	page *source.Page // to be returned next; nil if there is none
}

func (l bareLog) Open(pos source.Position, env source.Env) (source.Reader, error) {
	r, err := l.eventLog.Open(pos, env)
	return &bareReader{Reader: r}, err
}

func (r *bareReader) Next(ctx context.Context) (source.Page, error) {
	if p := r.page; p != nil {
		r.page = nil
		return *p, nil
	}
	p, err := r.Reader.Next(ctx)
	if err != nil {
		return p, err
	}
	r.page = &p
	return source.Page{Next: slices.Concat(source.Position("1"), p.Next)}, nil
}

// A source that returns a position without an event wants it saved before the next
// event is published: it notes there what could be missing after a restart. So it does not
// wait for the sink.
func TestAPageWithoutEventsIsSavedByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		var b *rig
		b = newRig(&eventLog{total: 30}, &fakeSink{answer: func(_ context.Context, _ int, batch []sink.Record) error {
			if !up.Load() {
				return errReset
			}
			for i := range 30 {
				if got := b.stores.last(); batch[0].ID == id(i) && got != 100+i+10 {
					t.Errorf("event %d was published while position %d was saved, want %d", i, got, 100+i+10)
				}
			}
			return nil
		}})
		b.Source = bareLog{b.log}
		stop := start(b.Lane)
		pass(time.Minute)
		if got := b.stores.last(); got != 110 || len(b.sink.taken()) > 0 {
			t.Errorf("while the sink is down, position %d is saved, want 110", got)
		}
		up.Store(true)
		pass(time.Hour)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if got := len(b.sink.taken()); got != 30 {
			t.Errorf("%d events were delivered, want 30", got)
		}
	})
}
