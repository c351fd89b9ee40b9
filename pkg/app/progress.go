package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/pipeline"
)

const (
	progressLine  = time.Second      // on a terminal
	progressEvery = 30 * time.Second // in a log
)

// progress reports lanes that catch up: on a terminal in one line that it rewrites,
// otherwise in the log. It ends with ctx.
func (c *command) progress(ctx context.Context, log zerolog.Logger, lanes func() []pipeline.Status) error {
	every, terminal := progressEvery, isTerminal(c.stderr) && !isTerminal(c.stdout)
	if terminal {
		every = progressLine
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	meters := map[string]*meter{}
	shown := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		var lines []string
		for _, s := range lanes() {
			if meters[s.Lane] == nil {
				meters[s.Lane] = &meter{}
			}
			if text := meters[s.Lane].line(s, time.Now()); text != "" {
				lines = append(lines, s.Lane+": "+text)
			}
		}
		switch {
		case terminal && len(lines) > 0:
			fmt.Fprintf(c.stderr, "\r\x1b[K%s", strings.Join(lines, "; "))
			shown = true
		case terminal && shown: // the line on the screen is out of date
			fmt.Fprint(c.stderr, "\r\x1b[K")
			shown = false
		case !terminal:
			for _, line := range lines {
				log.Info().Msg(line)
			}
		}
	}
}

// meter measures the rate of a lane between two calls of line.
type meter struct {
	at     time.Time
	pages  int
	events uint64
}

// line describes how far a catch-up is; empty if the lane has caught up.
func (m *meter) line(s pipeline.Status, now time.Time) string {
	elapsed := now.Sub(m.at).Seconds()
	delivered := s.Published + s.Filtered
	pages, events := s.Reader.WalkPages-m.pages, delivered-m.events
	first := m.at.IsZero()
	m.at, m.pages, m.events = now, s.Reader.WalkPages, delivered
	waiting := s.Reader.WalkEvents > 100 || s.QueuedPages != [2]int{}
	if !s.CatchingUp || !waiting {
		return ""
	}
	if !s.Reader.WalkDone {
		text := fmt.Sprintf("listing the log: %s pages, %s events to deliver afterwards", count(uint64(s.Reader.WalkPages)), count(uint64(s.Reader.WalkEvents)))
		if !s.Reader.Oldest.IsZero() {
			text += ", back to " + when(s.Reader.Oldest)
		}
		if !first && pages > 0 {
			text += fmt.Sprintf(", %.1f pages/s", float64(pages)/elapsed)
		}
		return text
	}
	// Events in the queues are handed out and not delivered yet.
	left := s.Reader.WalkEvents - s.Reader.Handed
	text := fmt.Sprintf("delivering: %s of %s events handed out, %s delivered", count(uint64(s.Reader.Handed)), count(uint64(s.Reader.WalkEvents)), count(s.Published))
	if rate := float64(events) / elapsed; !first && rate > 0 {
		text += fmt.Sprintf(", %.0f/s, %s left", rate, time.Duration(float64(left)/rate*float64(time.Second)).Round(time.Second))
	}
	return text
}
