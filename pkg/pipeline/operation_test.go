package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// pauses returns the times between the Publishes of a lane. Its sink fails with the given
// errors, and then for a day with the last of them.
func pauses(t *testing.T, answers ...error) []time.Duration {
	t.Helper()
	var at []time.Time
	synctest.Test(t, func(t *testing.T) {
		end := time.Now().Add(24 * time.Hour)
		b := newRig(&eventLog{total: 1}, &fakeSink{})
		b.sink.answer = func(_ context.Context, n int, _ []sink.Record) error {
			at = append(at, time.Now())
			if time.Now().After(end) {
				return nil
			}
			return answers[min(n, len(answers))-1]
		}
		b.catchUp(t)
	})
	var between []time.Duration
	for i := 1; i < len(at); i++ {
		between = append(between, at[i].Sub(at[i-1]))
	}
	return between
}

func TestBackOff(t *testing.T) {
	t.Run("doubles from half a second to a minute, with jitter, for ever", func(t *testing.T) {
		got := pauses(t, errReset)
		for i, pause := range got {
			base := time.Minute
			if i < 7 {
				base = 500 * time.Millisecond << i
			}
			if least, most := base/2, min(base*3/2+1, time.Minute); pause < least || pause > most {
				t.Errorf("pause %d is %s, want %s to %s", i, pause, least, most)
			}
		}
		// About half of the longest pauses reach a minute and are cut to it.
		if slices.Min(got[7:27]) == slices.Max(got[7:27]) {
			t.Errorf("pauses without jitter: %s", got[7:27])
		}
	})
	t.Run("is never less than the error asks for", func(t *testing.T) {
		for i, pause := range pauses(t, sink.RetryAfter(errReset, 40*time.Second)) {
			if pause < 40*time.Second || pause > time.Minute {
				t.Errorf("pause %d is %s, want 40s to 1m", i, pause)
			}
		}
	})
	t.Run("may be more than a minute if the error asks for it", func(t *testing.T) {
		for i, pause := range pauses(t, fmt.Errorf("publish: %w", sink.RetryAfter(errReset, time.Hour))) {
			if pause != time.Hour {
				t.Errorf("pause %d is %s, want 1h", i, pause)
			}
		}
	})
	t.Run("heeds what the records of a BatchError ask for", func(t *testing.T) {
		got := pauses(t, sink.BatchError{{Index: 0, Err: sink.RetryAfter(errReset, 20*time.Minute)}}, errReset)
		if got[0] != 20*time.Minute {
			t.Errorf("the first pause is %s, want 20m", got[0])
		}
	})
	t.Run("starts anew after a success", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var at []time.Time
			b := newRig(&eventLog{total: 2, every: 3 * time.Hour}, &fakeSink{})
			b.sink.answer = func(_ context.Context, n int, batch []sink.Record) error {
				if batch[0].ID == id(1) {
					at = append(at, time.Now())
				}
				if since := time.Since(b.log.began); since < time.Hour || since >= 3*time.Hour && len(at) < 2 {
					return errReset
				}
				return nil
			}
			stop := start(b.Lane)
			pass(3*time.Hour + time.Minute)
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			if len(at) != 2 || at[1].Sub(at[0]) > 750*time.Millisecond+1 {
				t.Errorf("attempts at %s, want two with at most 750ms between", at)
			}
		})
	})
}

// recoveredInTime: the destination was well after two hours, and the last wait was a minute
// at most.
var recoveredInTime = regexp.MustCompile(` failures and 2h(0m\d+s|1m0s)$`)

func TestLogOfFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(&eventLog{total: 3}, &fakeSink{})
		b.sink.answer = func(context.Context, int, []sink.Record) error {
			switch since := time.Since(b.log.began); {
			case since < time.Hour:
				return errReset
			case since < 2*time.Hour:
				return sink.Destination(errors.New("no such topic"), "create it")
			}
			return nil
		}
		stop := start(b.Lane)
		pass(59 * time.Minute)
		first := b.lines.texts(t)
		pass(2 * time.Minute)
		changed := b.lines.texts(t)[len(first):]
		pass(2 * time.Hour)
		synctest.Wait()
		all := b.lines.texts(t)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if text := b.lines.text.String(); strings.Count(text, `"lane":"acme/siem"`) != len(all)+1 { // and it stopped
			t.Errorf("lines without the lane's name: %s", text)
		}
		want := []string{"info lane started", "warn publish failed: connection reset"}
		if diff := cmp.Diff(want, first[:2]); diff != "" {
			t.Errorf("the first lines (-want +got):\n%s", diff)
		}
		if n := len(first) - 1; n < 10 || n > 12 {
			t.Errorf("%d lines in an hour of failures, want one every five minutes: %q", n, first)
		}
		if got, want := changed[len(changed)-1], "warn publish failed: no such topic; hint: create it"; got != want {
			t.Errorf("after a change of class: %q, want %q", changed, want)
		}
		last := all[len(all)-2:]
		if !strings.HasPrefix(last[1], "info publish recovered after ") || !recoveredInTime.MatchString(last[1]) ||
			last[0] != "info first records delivered" {
			t.Errorf("the last lines %q", last)
		}
		if n := slices.IndexFunc(all, func(s string) bool { return strings.Contains(s, "recovered") }); n != len(all)-1 {
			t.Errorf("recovery is reported more than once: %q", all)
		}
	})
}

func TestRecoveryAfterOneFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(&eventLog{total: 1}, &fakeSink{answer: script(errReset)})
		stop := start(b.Lane)
		pass(time.Minute)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if got := b.lines.text.String(); !strings.Contains(got, "publish recovered after 1 failure and ") {
			t.Errorf("the log has no recovery after 1 failure:\n%s", got)
		}
	})
}

func TestAChangeOfClassIsToldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		missing := sink.Destination(errors.New("no such topic"), "create it")
		b := newRig(&eventLog{total: 1}, &fakeSink{answer: script(errReset, errReset, missing, missing, errReset)})
		b.catchUp(t)
		want := []string{
			"info lane started",
			"warn publish failed: connection reset",
			"warn publish failed: no such topic; hint: create it",
			"warn publish failed: connection reset",
			"info first records delivered",
		}
		if diff := cmp.Diff(want, b.lines.texts(t)[:5]); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}
	})
}

func TestLogOfRejectsHoldsNoBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(&eventLog{total: 300, page: 1, every: time.Second, size: 10}, &fakeSink{
			answer: func(context.Context, int, []sink.Record) error { return permanent("no such shape") }})
		b.MaxRejects = 1000
		stop := start(b.Lane)
		pass(299*time.Second + time.Millisecond)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if got, want := len(b.stores.buried()), 300; got != want {
			t.Fatalf("%d dead letters, want %d", got, want)
		}
		if text := b.lines.text.String(); strings.Contains(text, "xxxx") || strings.Contains(text, "pad") {
			t.Errorf("the log holds an event: %s", text)
		}
		if got, want := strings.Count(b.lines.text.String(), "dead letters"), 1; got != want {
			t.Errorf("rejects are reported %d times within five minutes, want %d", got, want)
		}
	})
}

func TestRetriesAreCountedByClass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(&eventLog{total: 3}, &fakeSink{answer: script(
			errReset, sink.Destination(errReset, "mend it"), fmt.Errorf("write: %w", context.DeadlineExceeded))})
		reads, saves := 0, 0
		b.log.next = func(int) error {
			if reads++; reads <= 2 {
				return &source.Error{Op: "poll", Class: source.Throttled, Err: errors.New("429")}
			}
			return nil
		}
		b.stores.saveErr = func() error {
			if saves++; saves == 2 {
				return errors.New("disk full")
			}
			return nil
		}
		b.catchUp(t)
		want := map[string]uint64{"publish": 1, "destination": 1, "timeout": 1, "throttled": 2, "save": 1}
		if diff := cmp.Diff(want, b.Status().Retries); diff != "" {
			t.Errorf("retries (-want +got):\n%s", diff)
		}
	})
}

func TestAReadThatFailsIsPacedBySource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(&eventLog{total: 3}, &fakeSink{})
		reads := 0
		b.log.next = func(int) error {
			if reads++; reads == 1 {
				return fmt.Errorf("walk: %w", &source.Error{Op: "poll", Class: source.Throttled, Err: errors.New("429"), RetryAfter: 90 * time.Second})
			}
			return nil
		}
		b.catchUp(t)
		if got, want := time.Since(b.log.began), 90*time.Second; got != want {
			t.Errorf("read again after %s, want %s", got, want)
		}
	})
}

func TestACheckpointThatCannotBeSavedIsLoud(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(&eventLog{total: 30, every: time.Minute}, &fakeSink{})
		full := func() bool { return time.Since(b.log.began) > 10*time.Minute && time.Since(b.log.began) < time.Hour }
		b.stores.saveErr = func() error {
			if full() {
				return errors.New("disk full")
			}
			return nil
		}
		stop := start(b.Lane)
		pass(30 * time.Minute)
		synctest.Wait()
		if s := b.Status(); s.Ready || !strings.HasPrefix(s.Reason, "save: disk full (retrying since ") {
			t.Errorf("ready %t, reason %q", s.Ready, s.Reason)
		}
		pass(time.Hour)
		synctest.Wait()
		if s := b.Status(); !s.Ready {
			t.Errorf("not ready once there is room: %s", s.Reason)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(ids(0, 30), b.sink.taken()); diff != "" {
			t.Errorf("delivered, each once (-want +got):\n%s", diff)
		}
		if got, want := b.stores.last(), 30; got != want {
			t.Errorf("saved position %d, want %d", got, want)
		}
	})
}

// A long walk fails now and then between the pages that it reads.
func TestReadsBetweenFailuresKeepPausesShort(t *testing.T) {
	for _, c := range []struct {
		words        string
		reads, fails bool
		most         time.Duration
	}{
		{"with reads between them", true, false, time.Second},
		{"in a row", false, false, time.Minute},
		{"of whole walks", true, true, time.Minute},
	} {
		t.Run(c.words, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newRig(&eventLog{total: 1}, &fakeSink{})
				var at []time.Time
				b.log.reads, b.log.fails = c.reads, c.fails
				b.log.next = func(int) error {
					if at = append(at, time.Now()); len(at) < 20 {
						return errReset
					}
					return nil
				}
				b.catchUp(t)
				var longest time.Duration
				for i := 1; i < 20; i++ {
					longest = max(longest, at[i].Sub(at[i-1]))
				}
				if longest > c.most || longest < c.most/4 {
					t.Errorf("the longest pause is %s, want about %s", longest, c.most)
				}
			})
		})
	}
}
