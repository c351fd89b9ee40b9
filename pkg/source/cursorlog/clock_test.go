package cursorlog

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/source"
)

// A log whose newest event is of January 1970 gives its times in seconds. One old event
// proves nothing.
func TestSecondsTakenForMillisecondsAreTold(t *testing.T) {
	seconds := time.UnixMilli(noon.Unix())
	for words, c := range map[string]struct {
		times []time.Time
		told  bool
	}{
		"all are of 1970":          {[]time.Time{seconds, seconds.Add(-time.Second)}, true},
		"one is of 1970":           {[]time.Time{seconds, noon.Add(-time.Minute)}, false},
		"none has a time":          {[]time.Time{{}}, false},
		"there are none":           {nil, false},
		"the latest of that month": {[]time.Time{time.Date(1970, 1, 31, 23, 59, 59, 0, time.UTC)}, true},
		"later in 1970":            {[]time.Time{time.Date(1970, 2, 1, 0, 0, 0, 0, time.UTC)}, false},
	} {
		t.Run(words, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, want := &bytes.Buffer{}, 0
				clock := newClock(time.Now, zerolog.New(log))
				for range 2 {
					for range 2 {
						p := &page{clocks: at(time.Now()), ahead: noon.UnixMilli(), read: time.Now()}
						for _, happened := range c.times {
							e := entryOf(&source.Event{Time: happened})
							e.judge(p.ahead)
							p.Entries = append(p.Entries, e)
						}
						clock.learn(p)
					}
					if c.told {
						want++
					}
					if got := strings.Count(log.String(), "January 1970"); got != want {
						t.Errorf("told %d times, want %d: %s", got, want, log)
					}
					time.Sleep(warnAgain)
				}
			})
		})
	}
}
