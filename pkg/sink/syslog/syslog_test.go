package syslog_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/syslog"
	"github.com/sluice-siem/sluice/pkg/sink/syslog/relp/relptest"
)

var quiet = zerolog.Nop()

// open opens a sink, which is closed at the end.
func open(t testing.TB, s syslog.Settings) sink.Sink {
	t.Helper()
	return logged(t, s, quiet)
}

func logged(t testing.TB, s syslog.Settings, log zerolog.Logger) sink.Sink {
	t.Helper()
	snk := unclosed(t, s, log)
	t.Cleanup(func() {
		if err := snk.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return snk
}

func unclosed(t testing.TB, s syslog.Settings, log zerolog.Logger) sink.Sink {
	t.Helper()
	snk, err := syslog.Type.Open(t.Context(), sink.Env{Lane: "acme/siem", Source: "acme", Dataset: "planetscale.audit", Log: log}, &s)
	if err != nil {
		t.Fatal(err)
	}
	return snk
}

// batch makes n records with different bodies.
func batch(first, n int) []sink.Record {
	records := make([]sink.Record, n)
	for i := range records {
		records[i] = record(fmt.Sprintf(`{"n":%d}`, first+i))
	}
	return records
}

// deliver publishes until it succeeds, as a lane does, and counts the failures.
func deliver(t testing.TB, snk sink.Sink, records []sink.Record) (failures int) {
	t.Helper()
	for {
		err := snk.Publish(t.Context(), records)
		if err == nil {
			return failures
		}
		if failures++; sink.IsPermanent(err) || failures == 50_000 {
			t.Errorf("attempt %d: %v", failures, err)
			return failures
		}
	}
}

// wantError checks for a retryable error with this text and, if given, with these words
// in its hint.
func wantError(t testing.TB, err error, want string, hint ...string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("got error %v, want %q in it", err, want)
	}
	if sink.IsPermanent(err) {
		t.Errorf("a permanent error, although nothing is wrong with the record: %v", err)
	}
	for _, h := range hint {
		if !strings.Contains(failure.Hint(err), h) {
			t.Errorf("no hint with %q at %v", h, err)
		}
	}
}

// classOf returns the error's class, by which the lane recognizes trouble that does not
// pass.
func classOf(err error) string {
	return failure.Class(err)
}

func wantArrived(t testing.TB, got [][]byte, records []sink.Record) {
	t.Helper()
	have := make(map[string]bool)
	for _, body := range got {
		have[string(body)] = true
	}
	lost := 0
	for _, r := range records {
		if !have[string(r.Body)] {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d records that count as delivered have not arrived", lost, len(records))
	}
}

func TestOpenWarnsOfWeakSettings(t *testing.T) {
	for _, tt := range []struct {
		words, want string
		change      func(*syslog.Settings)
	}{
		{"certificates that are not verified", "insecure_skip_verify", func(s *syslog.Settings) { s.TLS.InsecureSkipVerify = true }},
		{"times without a zone", `"zone":"test"`, func(s *syslog.Settings) { s.Protocol = syslog.RFC3164 }},
	} {
		t.Run(tt.words, func(t *testing.T) {
			var log bytes.Buffer
			s := settings(t, "tls://127.0.0.1:6514")
			logged(t, s, zerolog.New(&log))
			if log.Len() > 0 {
				t.Errorf("logged without a reason: %s", &log)
			}
			tt.change(&s)
			logged(t, s, zerolog.New(&log))
			if !strings.Contains(log.String(), tt.want) {
				t.Errorf("got log %q, want %s in it", &log, tt.want)
			}
		})
	}
}

// TestRecordsAreNamedByTheirPlaceInTheBatch mixes records without a message with records
// that the receiver takes or does not take.
func TestRecordsAreNamedByTheirPlaceInTheBatch(t *testing.T) {
	r := newAnswering(t)
	snk := open(t, settings(t, "relp://"+r.address))
	all := batch(0, 8)
	all[1], all[4] = tooLarge(t), tooLarge(t)
	r.become(relptest.Fault{Status: 500}, 3) // takes 0, 2 and 3
	err := snk.Publish(t.Context(), all)
	var named sink.BatchError
	if !errors.As(err, &named) {
		t.Fatalf("got %v, want a BatchError", err)
	}
	got := map[int]bool{}
	for _, e := range named {
		if _, twice := got[e.Index]; twice {
			t.Errorf("record %d is named twice", e.Index)
		}
		got[e.Index] = sink.IsPermanent(e.Err)
	}
	want := map[int]bool{1: true, 4: true, 5: false, 6: false, 7: false}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records, and whether they are refused for good (-want +got):\n%s", diff)
	}
}

func TestPublishIsGivenTheTimeToSettle(t *testing.T) {
	s := settings(t, "tcp://127.0.0.1:514")
	s.Settle = setting.Duration(time.Minute)
	got := open(t, s).(sink.Limiter).Limits().Timeout
	if least := 110 * time.Second; got < least {
		t.Errorf("a Publish is given %v, want at least %v", got, least)
	}
}

func TestOnlyOneConnection(t *testing.T) {
	r := newReceiver(t, nil)
	s := r.settings
	s.Settle = 0
	snk := open(t, s)
	if got := r.connections(); got != 0 {
		t.Errorf("%d connections before anything was published", got)
	}
	for i := range 20 {
		deliver(t, snk, batch(i, 1))
	}
	if got := r.connections(); got != 1 {
		t.Errorf("got %d connections, want 1", got)
	}
}

func TestCheck(t *testing.T) {
	check := func(t *testing.T, s syslog.Settings) (string, error) {
		return open(t, s).(sink.Checker).Check(t.Context())
	}
	t.Run("describes the guarantee of each transport", func(t *testing.T) {
		_, udp := newDatagrams(t)
		for url, want := range map[string]string{
			newReceiver(t, nil).url():           "its kernel acknowledges",
			"relp://" + newAnswering(t).address: "acknowledges each",
			udp:                                 "no receiver confirms",
		} {
			s := settings(t, url)
			s.Settle = settle
			line, err := check(t, s)
			if err != nil || !strings.Contains(line, want) || !strings.Contains(line, url) {
				t.Errorf("got %q, %v, want %q and the address in it", line, err, want)
			}
		}
	})
	t.Run("warns of an address that does not answer", func(t *testing.T) {
		first, second := newReceiver(t, nil), newReceiver(t, nil)
		first.stop()
		s := settings(t, first.url(), second.url())
		s.Settle = settle
		line, err := check(t, s)
		if err != nil || !strings.Contains(line, "warning: "+first.url()) {
			t.Errorf("got %q, %v, want a warning of %s", line, err, first.url())
		}
	})
	t.Run("fails if none answers", func(t *testing.T) {
		r := newReceiver(t, nil)
		r.stop()
		_, err := check(t, r.settings)
		wantError(t, err, "connection refused", "start the receiver")
	})
	t.Run("fails if the receiver ends the connection", func(t *testing.T) {
		url := peer(t, func(conn *conn) { _ = conn.Close() })
		_, err := check(t, settings(t, url))
		wantError(t, err, "", "the receiver ended the connection")
	})
}
