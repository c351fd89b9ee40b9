package cursorlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/source"
)

// answering is a requester whose client answers with list.
func answering(list func(ctx context.Context, cursor string, limit int) (Answer, error)) *requester {
	b := &Budget{}
	b.join(0)
	return &requester{
		client: plain{list: list}, maxLimit: pageLimit, budget: b, clock: newClock(time.Now, zerolog.Nop()),
		op: "acme: reading the audit log", answers: map[string]uint64{},
	}
}

// The pages do not say whether anything follows.
func TestAnotherRequestFindsOutWhatFollows(t *testing.T) {
	down := errors.New("connection refused")
	for name, c := range map[string]struct {
		cursor  string
		behind  []int
		err     error
		hasNext bool
		want    string
	}{
		"an event":      {"8", []int{7}, nil, true, ""},
		"nothing":       {"8", nil, nil, false, ""},
		"a large event": {"8", nil, TooLarge(errors.New("16 MiB")), true, ""},
		"an error":      {"8", nil, down, false, "acme: reading the audit log: connection refused"},
		"no cursor":     {"", nil, nil, false, "the answer has no cursor"},
	} {
		t.Run(name, func(t *testing.T) {
			var asked []string
			q := answering(func(_ context.Context, cursor string, limit int) (Answer, error) {
				asked = append(asked, fmt.Sprint(cursor, " ", limit))
				if cursor == "" {
					return Answer{Body: plainBody(c.cursor, 9, 8), Unsure: true}, nil
				}
				return Answer{Body: plainBody("", c.behind...), Unsure: true}, c.err
			})
			p, err := q.list(t.Context(), "", poll)
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want %q", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if p.HasNext != c.hasNext || len(p.Entries) != 2 || !slices.Equal(asked, []string{" 100", "8 1"}) {
				t.Errorf("got has next %t, %d events after requests %q", p.HasNext, len(p.Entries), asked)
			}
		})
	}
}

func TestErrorsOfListAreClassified(t *testing.T) {
	broken := errors.New("broken")
	known := &source.Error{Op: "acme: logging in", Class: source.Refused, Err: broken, Hint: "log in", RetryAfter: time.Minute}
	for name, c := range map[string]struct {
		status     int
		err        error
		class      source.Class
		text       string
		retryAfter time.Duration
		marked     bool
	}{
		"any error":                        {0, broken, source.Unavailable, "acme: reading the audit log: broken", 0, false},
		"one with a class":                 {401, known, source.Refused, "acme: logging in: broken", time.Minute, false},
		"one without an operation":         {500, &source.Error{Class: source.Unavailable, Err: broken}, source.Unavailable, "acme: reading the audit log: broken", 0, false},
		"a cursor that is refused":         {404, CursorRefused(broken), source.Malformed, "acme: reading the audit log: broken", 0, true},
		"one of a class":                   {404, CursorRefused(known), source.Refused, "acme: logging in: broken", time.Minute, true},
		"a single event that is too large": {200, TooLarge(broken), source.Malformed, "acme: reading the audit log: broken", 0, false},
		"throttled":                        {429, Throttled(20*time.Second, "slow down"), source.Throttled, "acme: reading the audit log: 429 Too Many Requests, no requests until 2000-01-01T00:00:20Z: slow down", 20 * time.Second, false},
		"throttled for a day":              {503, Throttled(24*time.Hour, ""), source.Throttled, "acme: reading the audit log: 503 Service Unavailable, no requests until 2000-01-01T00:01:00Z", time.Minute, false},
		"throttled, for an unknown time":   {0, Throttled(0, ""), source.Throttled, "acme: reading the audit log: too many requests, no requests until 2000-01-01T00:00:10Z", 10 * time.Second, false},
		"a body that is no page":           {200, nil, source.Malformed, "acme: reading the audit log: the answer is not a list of events: invalid character", 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := answering(func(context.Context, string, int) (Answer, error) {
					return Answer{Status: c.status, Body: []byte("<html>")}, c.err
				})
				_, err := q.list(t.Context(), "8", catchUp)
				got, ok := errors.AsType[*source.Error](err)
				if !ok || got.Class != c.class || got.RetryAfter != c.retryAfter || !strings.HasPrefix(err.Error(), c.text) {
					t.Errorf("got %v of class %q, to be retried after %s", err, got.Class, got.RetryAfter)
				}
				if errors.As(err, new(cursorRefused)) != c.marked {
					t.Errorf("the cursor was refused: %t, want %t", !c.marked, c.marked)
				}
			})
		})
	}
}

func TestAnswersAreCounted(t *testing.T) {
	statuses := []int{200, 200, 404, 0}
	q := answering(func(context.Context, string, int) (Answer, error) {
		a := Answer{Status: statuses[0], Body: plainBody("", 9)}
		statuses = statuses[1:]
		if a.Status != 200 {
			return a, errors.New("failed")
		}
		return a, nil
	})
	for range 4 {
		q.list(t.Context(), "", poll) // Only the count matters here.
	}
	if got := fmt.Sprint(q.usage().Answers); got != "map[200:2 404:1 error:1]" {
		t.Errorf("got %s", got)
	}
}

// A request times out after 30 seconds. One for a single event, which may be large, times
// out after a minute.
func TestRequestsTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var given []time.Duration
		q := answering(func(ctx context.Context, _ string, limit int) (Answer, error) {
			began := time.Now()
			<-ctx.Done()
			given = append(given, time.Since(began))
			return Answer{}, TooLarge(ctx.Err())
		})
		if _, err := q.list(t.Context(), "", poll); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if got := fmt.Sprint(given); got != "[30s 30s 30s 30s 30s 30s 1m0s]" {
			t.Errorf("got %s, with half the limit each time", got)
		}
	})
}

func TestLimitStaysWithinPageLimit(t *testing.T) {
	for limit, want := range map[int]string{0: "[100 50 100]", 40: "[40 20 40]", 1000: "[1000 500 1000]"} {
		var limits []int
		s, err := New(Options{
			Settings: Defaults, Name: "acme", PageLimit: limit, Log: zerolog.Nop(),
			Client: plain{list: func(_ context.Context, _ string, limit int) (Answer, error) {
				if limits = append(limits, limit); len(limits) == 1 {
					return Answer{}, TooLarge(errors.New("16 MiB"))
				}
				return Answer{Body: plainBody("", 9)}, nil
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := s.Check(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if got := fmt.Sprint(limits); got != want {
			t.Errorf("limit %d: got %s, want %s", limit, got, want)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// An error with a status is an answer. One without a status is not.
func TestAnyAnswerButThrottledEndsAPause(t *testing.T) {
	for status, paused := range map[int]bool{500: false, 0: true} {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			q := answering(func(context.Context, string, int) (Answer, error) {
				if n++; n == 1 {
					return Answer{Status: 429}, Throttled(time.Second, "")
				}
				return Answer{Status: status}, errors.New("failed")
			})
			for range 2 {
				if _, err := q.list(t.Context(), "", poll); err == nil {
					t.Error("got no error")
				}
			}
			if _, _, refusal := q.budget.delays(); (refusal != "") != paused {
				t.Errorf("status %d: got %q, paused %t", status, refusal, paused)
			}
		})
	}
}
