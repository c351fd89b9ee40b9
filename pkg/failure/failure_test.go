package failure_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/internal/statedir"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// answers is what a caller learns from an error.
type answers struct {
	hint, class         string
	wait                time.Duration
	permanent, unusable bool
	refused             bool
}

func TestWhatAnErrorAnswers(t *testing.T) {
	reset := errors.New("connection reset")
	refused := &source.Error{Op: "read", Class: source.Refused, Err: reset, Hint: "renew the token", RetryAfter: time.Minute}
	for _, tt := range []struct {
		words string
		err   error
		want  answers
	}{
		{"no error", nil, answers{}},
		{"an error without answers", reset, answers{}},
		{"a timeout", fmt.Errorf("publish: %w", context.DeadlineExceeded), answers{class: "timeout"}},
		{"a context that was canceled", context.Canceled, answers{}},
		{"of a source", refused, answers{hint: "renew the token", class: "refused", wait: time.Minute, refused: true}},
		{"of a source, wrapped", fmt.Errorf("walk: %w", refused), answers{hint: "renew the token", class: "refused", wait: time.Minute, refused: true}},
		{"of a state file", &statedir.Error{Class: "checkpoint", Op: "load", Path: "a.json", Err: reset, Hint: "restore it"}, answers{hint: "restore it", class: "checkpoint"}},
		{"about the record", sink.Permanent(reset), answers{permanent: true}},
		{"about the destination", sink.Destination(reset, "create the topic"), answers{hint: "create the topic", class: "destination", wait: 30 * time.Second}},
		{"about credentials", fmt.Errorf("publish: %w", sink.Refused(reset, "renew the token")), answers{hint: "renew the token", class: "destination", wait: 30 * time.Second, refused: true}},
		{"of a source, where a person must act first", &source.Error{Class: source.Refused, Err: reset}, answers{class: "refused", wait: 30 * time.Second, refused: true}},
		{"with a hint and a least wait", sink.Hint(sink.RetryAfter(reset, time.Second), "wait"), answers{hint: "wait", wait: time.Second}},
		{"about a position", fmt.Errorf("acme.json: %w", source.ErrUnusable), answers{unusable: true}},
		{"the outermost answers", sink.Hint(sink.RetryAfter(refused, time.Hour), "call them"), answers{hint: "call them", class: "refused", wait: time.Hour, refused: true}},
		{"the outermost answers, even if empty", &source.Error{Op: "read", Class: source.Unavailable, Err: refused}, answers{class: "unavailable"}},
		{"the first of two", errors.Join(sink.Hint(reset, "first"), sink.Hint(reset, "second")), answers{hint: "first"}},
		{"the first of two with an answer", errors.Join(reset, refused), answers{hint: "renew the token", class: "refused", wait: time.Minute, refused: true}},
		{"the first record with an answer", sink.BatchError{{Index: 0, Err: reset}, {Index: 1, Err: sink.RetryAfter(reset, time.Minute)}, {Index: 2, Err: sink.Permanent(reset)}}, answers{wait: time.Minute, permanent: true}},
	} {
		t.Run(tt.words, func(t *testing.T) {
			got := answers{failure.Hint(tt.err), failure.Class(tt.err), failure.RetryAfter(tt.err), failure.IsPermanent(tt.err), failure.IsUnusable(tt.err), failure.IsRefused(tt.err)}
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}
