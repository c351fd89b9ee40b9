package cursorlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/setting"
)

// opaque is a log whose cursors say nothing about events. Its last page has none. It fails
// for every other text, as servers do that cannot decrypt it.
type opaque struct {
	ids         []int // in the order of the listing
	oldestFirst bool
	wrongEnd    int // the request whose answer says that nothing follows, from 1
	refused     int // how many requests behind a cursor are refused after it
	requests    int
	foreign     []string // cursors that the log did not give
}

func (l *opaque) list(_ context.Context, cursor string, limit int) (Answer, error) {
	l.requests++
	rest, last := l.ids, 0
	if cursor != "" && l.requests > l.wrongEnd && l.refused > 0 {
		l.refused--
		return Answer{Status: 404}, CursorRefused(errors.New("404 Not Found"))
	}
	if cursor != "" {
		if _, err := fmt.Sscanf(cursor, "opaque-%d", &last); err != nil {
			l.foreign = append(l.foreign, cursor)
			return Answer{Status: 500}, errors.New("500 Internal Server Error")
		}
		rest = rest[slices.Index(rest, last)+1:]
	}
	n := min(limit, len(rest))
	next := ""
	if n < len(rest) && l.requests != l.wrongEnd {
		next = fmt.Sprintf("opaque-%d", rest[n-1])
	}
	return Answer{Status: 200, Body: plainBody(next, rest[:n]...)}, nil
}

// grow adds an event to the log.
func (l *opaque) grow(id int) {
	if l.oldestFirst {
		l.ids = append(l.ids, id)
	} else {
		l.ids = slices.Insert(l.ids, 0, id)
	}
}

// TestNoIDIsTakenForACursor reads logs of one page and of several. Each answer in turn
// wrongly says that the log ends, and then the page's own cursor may be refused: that
// proves no end.
func TestNoIDIsTakenForACursor(t *testing.T) {
	for _, oldestFirst := range []bool{false, true} {
		for _, events := range []int{1, 3, 4, 9, 31} {
			for i := range 28 {
				log := &opaque{oldestFirst: oldestFirst, wrongEnd: i / 2, refused: i % 2 * tries}
				t.Run(fmt.Sprintf("oldest first %t, %d events, request %d is wrong, %d are refused", oldestFirst, events, log.wrongEnd, log.refused), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { readOpaque(t, log, events) })
				})
			}
		}
	}
}

func readOpaque(t *testing.T, log *opaque, events int) {
	for id := range events {
		log.grow(100 + id)
	}
	start, s := time.Now(), Defaults
	s.Overlap = setting.Duration(time.Second) // What is older is settled with a walk that is believed.
	r := openNew(t, Options{
		Settings: s, Name: "acme", Log: zerolog.Nop(), PageLimit: 3, Client: plain{list: log.list},
		Now: func() time.Time { return noon.Add(time.Since(start)) },
	})
	var got, want []string
	for id := range events + 3 {
		want = append(want, fmt.Sprint(100+id))
	}
	for began := time.Now(); time.Since(began) < 10*time.Minute && len(got) < len(want); {
		p, err := r.Next(t.Context())
		if err != nil {
			time.Sleep(time.Second)
			continue
		}
		for _, e := range p.Events {
			got = append(got, e.ID)
		}
		if p.CaughtUp && len(log.ids) < events+3 {
			log.grow(100 + len(log.ids))
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if len(log.foreign) > 0 {
		t.Errorf("requested %d times behind what is no cursor: %q", len(log.foreign), slices.Compact(log.foreign))
	}
}
