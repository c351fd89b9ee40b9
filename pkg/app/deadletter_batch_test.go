package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/deadletter"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// taker is a sink that answers each batch as a function says.
type taker struct {
	answer func(ids []string) error
	tried  []string // the batches, such as "a b"
}

func (s *taker) Publish(_ context.Context, batch []sink.Record) error {
	var ids []string
	for _, r := range batch {
		ids = append(ids, r.ID)
	}
	s.tried = append(s.tried, strings.Join(ids, " "))
	return s.answer(ids)
}

func (s *taker) Close() error { return nil }

// TestARedrivePublishesInBatches has letters a to f, of which the sink refuses some, and
// names the batches, the letters that stay, and those that stay with a new reason.
func TestARedrivePublishesInBatches(t *testing.T) {
	down, bad := errors.New("down"), sink.Permanent(errors.New("bad"))
	holds := func(ids []string, id string) bool { return slices.Contains(ids, id) }
	for name, c := range map[string]struct {
		limits             sink.Limits
		answer             func(ids []string) error
		tried, kept, again string
		err                error
	}{
		"all are accepted": {
			answer: func([]string) error { return nil },
			tried:  "a b c d e f",
		},
		"the sink limits the records of a batch": {
			limits: sink.Limits{Records: 4}, answer: func([]string) error { return nil },
			tried: "a b c d, e f",
		},
		"the sink limits the bytes of a batch, and one record exceeds them": {
			limits: sink.Limits{Bytes: 25}, answer: func([]string) error { return nil },
			tried: "a b, c, d e, f",
		},
		"the sink names those that it refuses": {
			answer: func(ids []string) error { return sink.BatchError{{Index: 1, Err: bad}, {Index: 4, Err: bad}} },
			tried:  "a b c d e f", kept: "b e", again: "b e",
		},
		"the sink does not name the one that it refuses": {
			answer: func(ids []string) error {
				if holds(ids, "b") {
					return bad
				}
				return nil
			},
			tried: "a b c d e f, a b c, a, b c, b, c, d e f", kept: "b", again: "b",
		},
		"the destination is down for the second batch": {
			limits: sink.Limits{Records: 2}, err: down,
			answer: func(ids []string) error {
				if holds(ids, "c") {
					return down
				}
				return nil
			},
			tried: "a b, c d", kept: "c d e f",
		},
		"the destination goes down while halves are tried": {
			err: down,
			answer: func(ids []string) error {
				switch {
				case len(ids) > 3:
					return bad
				case holds(ids, "a"):
					return nil
				}
				return down
			},
			tried: "a b c d e f, a b c, d e f", kept: "d e f",
		},
		"the destination goes down before the second half is tried": {
			err: down,
			answer: func(ids []string) error {
				if len(ids) > 3 {
					return bad
				}
				return down
			},
			tried: "a b c d e f, a b c", kept: "a b c d e f",
		},
		"some are refused and some not delivered": {
			limits: sink.Limits{Records: 4}, err: down,
			answer: func(ids []string) error { return sink.BatchError{{Index: 0, Err: bad}, {Index: 3, Err: down}} },
			tried:  "a b c d", kept: "a d e f", again: "a",
		},
		"the sink names a record that is not in the batch": {
			limits: sink.Limits{Records: 4}, err: errors.New("invalid BatchError"),
			answer: func(ids []string) error { return sink.BatchError{{Index: 0, Err: bad}, {Index: 4, Err: bad}} },
			tried:  "a b c d", kept: "a b c d e f",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var letters []deadletter.Letter
			for _, id := range strings.Fields("a b c d e f") {
				body := strings.Repeat(id, 10)
				if id == "c" {
					body = strings.Repeat(id, 100)
				}
				letters = append(letters, deadletter.Letter{Reject: sink.Reject{Record: sink.Record{ID: id, Body: []byte(body)}, Reason: "first"}})
			}
			snk := &taker{answer: c.answer}
			r := redriving{sink: snk, limits: c.limits.WithDefaults(), timeout: time.Minute}
			kept, err := r.publish(t.Context(), letters)
			var ids, again []string
			for _, l := range kept {
				ids = append(ids, l.Record.ID)
				if l.Reason == "bad" && !l.Time.IsZero() {
					again = append(again, l.Record.ID)
				}
			}
			got := fmt.Sprintf("tried %s; kept %s; again %s", strings.Join(snk.tried, ", "), strings.Join(ids, " "), strings.Join(again, " "))
			if want := fmt.Sprintf("tried %s; kept %s; again %s", c.tried, c.kept, c.again); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if (err == nil) != (c.err == nil) || err != nil && !strings.Contains(err.Error(), c.err.Error()) {
				t.Errorf("got error %v, want %v", err, c.err)
			}
			if r.refused != len(again) {
				t.Errorf("counted %d that were refused again, want %d", r.refused, len(again))
			}
		})
	}
}

func TestARedriveShowsTheFirstReasons(t *testing.T) {
	var r redriving
	for i := range 12 {
		r.note(deadletter.Letter{Reject: sink.Reject{Record: sink.Record{ID: fmt.Sprint("e", i)}, Reason: "too\nlarge"}})
	}
	var got strings.Builder
	r.report(&got, "acme/siem", 3)
	lines := strings.Split(got.String(), "\n")
	if len(lines) != 13 || lines[0] != "acme/siem: 3 published, 12 refused again" || lines[10] != "  event e9: too\\nlarge" || lines[11] != "  and 2 more" {
		t.Errorf("got %s", &got)
	}
}

// The reason holds what looks like a row of the table.
func TestAReasonStaysInItsRow(t *testing.T) {
	dir := t.TempDir()
	store, err := deadletter.Open(dir, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Put(t.Context(), "acme/siem", []sink.Reject{{Record: sink.Record{ID: "e1"}, Reason: "bad\n2026-01-02T12:00:00Z  e2  forged"}}); err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	cfg := &config.Config{DeadLetters: config.DeadLetters{Dir: dir}}
	cfg.State.Type = "file"
	c := &command{stdout: &got}
	if err := c.showLetters(t.Context(), cfg, "acme/siem"); err != nil || strings.Count(got.String(), "\n") != 2 {
		t.Errorf("got error %v and\n%s", err, &got)
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
}
