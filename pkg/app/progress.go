package app

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/rivo/uniseg"
	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/internal/stdio"
	"github.com/sluice-siem/sluice/pkg/pipeline"
)

const (
	progressLine  = time.Second      // on a terminal
	progressEvery = 30 * time.Second // in a log

	// mostLines is how many lanes have a line each in a log. More share one.
	mostLines = 10
)

// liveLine is a line at the bottom of a terminal that is written again and again. What
// else is written there goes through Write, and stands above it.
type liveLine struct {
	mu   sync.Mutex
	to   io.Writer
	text string // empty if there is none
}

const clearLine = "\r\x1b[K"

func (l *liveLine) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text == "" {
		return l.to.Write(p)
	}
	if _, err := io.WriteString(l.to, clearLine+string(p)+l.text); err != nil {
		return 0, err
	}
	return len(p), nil
}

// show replaces the line. An empty text removes it.
func (l *liveLine) show(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if text == l.text {
		return
	}
	l.text = text
	_, _ = io.WriteString(l.to, clearLine+text) // A terminal that is gone has no reader.
}

// progress reports lanes that catch up, until ctx ends: in the live line of a terminal,
// unless that is nil, otherwise in the log.
func (c *command) progress(ctx context.Context, log zerolog.Logger, live *liveLine, lanes func() []pipeline.Status) error {
	every := progressEvery
	if live != nil {
		every = progressLine
		defer live.show("")
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	meters := map[string]*meter{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		var behind []catchUp
		for _, s := range lanes() {
			if meters[s.Lane] == nil {
				meters[s.Lane] = &meter{}
			}
			if u, is := meters[s.Lane].measure(s, time.Now()); is {
				behind = append(behind, u)
			}
		}
		switch {
		case live != nil:
			live.show(clip(together(behind), stdio.Columns(c.stderr)-1))
		case len(behind) > mostLines:
			log.Info().Msg(together(behind))
		default:
			for _, u := range behind {
				log.Info().Msg(u.String())
			}
		}
	}
}

// liveLine returns the live line of stderr, and what to write other lines to. There is no
// live line if records go to the same terminal, or if it cannot rewrite a line.
func (c *command) liveLine(records bool) (*liveLine, io.Writer) {
	if !stdio.Rewrites(c.stderr) || records && stdio.Terminal(c.stdout) {
		return nil, c.stderr
	}
	live := &liveLine{to: c.stderr}
	return live, live
}

// catchUp is how far a lane is. It first lists the log and then delivers, oldest first.
type catchUp struct {
	lane    string
	listing bool
	pages   int       // listed
	oldest  time.Time // event listed so far; zero if unknown
	events  int       // listed
	settled int       // of these
	rate    float64   // pages a second while listing, then events; 0 if unknown
}

// meter measures the rate of a lane between two calls of measure.
type meter struct {
	at      time.Time
	listing bool
	done    float64 // pages or events
	rate    float64
}

// smoothing is the weight of the latest rate. Batches make it jump.
const smoothing = 0.3

// measure says how far a catch-up is; is is false if the lane has caught up.
func (m *meter) measure(s pipeline.Status, now time.Time) (u catchUp, is bool) {
	waiting, all := s.Waiting()
	u = catchUp{
		lane: s.Lane, listing: !s.Reader.WalkDone, pages: s.Reader.WalkPages, oldest: s.Reader.Oldest,
		events: all, settled: all - waiting,
	}
	done := float64(s.Published + s.Filtered)
	if u.listing {
		done = float64(u.pages)
	}
	if seconds := now.Sub(m.at).Seconds(); !m.at.IsZero() && m.listing == u.listing && seconds > 0 {
		latest := max(0, done-m.done) / seconds
		if m.rate == 0 {
			m.rate = latest
		}
		m.rate += smoothing * (latest - m.rate)
	} else {
		m.rate = 0
	}
	m.at, m.listing, m.done, u.rate = now, u.listing, done, m.rate
	return u, s.CatchingUp && (u.events > 100 || s.Unsettled > 0)
}

// left estimates how long the delivery takes; zero if that is unknown.
func (u catchUp) left() time.Duration {
	if u.listing || u.rate < 0.01 {
		return 0
	}
	return time.Duration(float64(u.events-u.settled) / u.rate * float64(time.Second)).Round(time.Second)
}

// String begins with what matters most, since a terminal may cut it.
func (u catchUp) String() string {
	if u.listing {
		text := fmt.Sprintf("%s: listing the log: %s, %s to deliver", u.lane, several(u.pages, "page"), several(u.events, "event"))
		if !u.oldest.IsZero() {
			text += ", back to " + when(u.oldest)
		}
		if u.rate > 0 {
			text += fmt.Sprintf(", %.1f pages/s", u.rate)
		}
		return text
	}
	return fmt.Sprintf("%s: delivering: %s%s of %s", u.lane, remaining(u.left()), count(uint64(u.settled)), several(u.events, "event")) + pace(u.rate)
}

// together describes lanes in one line. With several it counts them, and adds up.
func together(all []catchUp) string {
	if len(all) == 0 {
		return ""
	}
	if len(all) == 1 {
		return all[0].String()
	}
	var sum catchUp
	listing, delivering, slowest := 0, 0, time.Duration(0)
	unknown := false
	for _, u := range all {
		if u.listing {
			listing++
			sum.pages += u.pages
			continue
		}
		delivering++
		sum.events, sum.settled, sum.rate = sum.events+u.events, sum.settled+u.settled, sum.rate+u.rate
		slowest = max(slowest, u.left())
		unknown = unknown || u.left() == 0 && u.settled < u.events
	}
	var parts []string
	if listing > 0 {
		parts = append(parts, fmt.Sprintf("%d listing the log (%s)", listing, several(sum.pages, "page")))
	}
	if delivering > 0 {
		if unknown {
			slowest = 0
		}
		parts = append(parts, fmt.Sprintf("%d delivering: %s%s of %s", delivering, remaining(slowest), count(uint64(sum.settled)), several(sum.events, "event"))+pace(sum.rate))
	}
	return several(len(all), "lane") + " behind: " + strings.Join(parts, "; ")
}

func remaining(left time.Duration) string {
	if left == 0 {
		return ""
	}
	return left.String() + " left, "
}

func pace(rate float64) string {
	if rate < 1 {
		return ""
	}
	return ", " + count(uint64(rate)) + "/s"
}

// clip cuts a text to a width; 0 or less is none.
func clip(text string, width int) string {
	if width <= 0 || uniseg.StringWidth(text) <= width {
		return text
	}
	at, rest, state := 0, text, -1
	for {
		_, after, wide, next := uniseg.FirstGraphemeClusterInString(rest, state)
		if at+wide > width-1 {
			return text[:len(text)-len(rest)] + "…"
		}
		at, rest, state = at+wide, after, next
	}
}
