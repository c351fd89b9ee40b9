//go:build integration

package syslog_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/internal/syslogngd"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/syslog"
)

// TestSyslogNGGetsEachRecordAsOneMessage sends the corpora of all formats and other hostile
// text with every transport, protocol and framing that syslog-ng takes. Each message
// arrives as it was sent, to the byte, and syslog-ng finds its fields.
func TestSyslogNGGetsEachRecordAsOneMessage(t *testing.T) {
	d := syslogngd.Start(t)
	var records []sink.Record
	for _, body := range hostile(t) {
		if len(body) <= 7000 { // Others are shortened by their format.
			records = append(records, record(body))
		}
	}
	seen := 0
	for _, tt := range []struct{ url, framing string }{
		{"tcp://" + d.TCP, syslog.OctetCounting},
		{"tls://" + d.TLS, syslog.OctetCounting},
		{"tcp://" + d.Newline, syslog.Newline},
		{"udp://" + d.UDP, syslog.OctetCounting}, // a datagram has no framing
	} {
		for _, protocol := range []string{syslog.RFC5424, syslog.RFC3164} {
			s := settings(t, tt.url)
			t.Run(strings.Join([]string{s.Address[0].Scheme, protocol, tt.framing}, " "), func(t *testing.T) {
				s.Protocol, s.Framing, s.Settle = protocol, tt.framing, setting.Duration(100*time.Millisecond)
				if s.Address[0].Scheme == "tls" {
					s.TLS.CAFile = d.CAFile
				}
				snk := open(t, s)
				few := 100
				if s.Address[0].Scheme == "udp" {
					few = 10 // what the socket holds in any case
				}
				for some := range slices.Chunk(records, few) {
					deliver(t, snk, some)
					all := awaitSyslogNG(t, d, seen+len(some))
					wantFields(t, s, all[seen:], some)
					seen = len(all)
				}
			})
		}
	}
}

// wantFields compares what syslog-ng received and parsed with the records that were sent.
func wantFields(t *testing.T, s syslog.Settings, got []syslogngd.Message, records []sink.Record) {
	t.Helper()
	if len(got) != len(records) {
		t.Fatalf("syslog-ng made %d messages of %d records", len(got), len(records))
	}
	for i, r := range records {
		sent, err := syslog.Message(s, r)
		if err != nil {
			t.Fatal(err)
		}
		m := expected(s, r)
		want := syslogngd.Message{Raw: syslogngd.Escape(unframed(s, sent)), Host: "forwarder-1", App: m.App, ID: m.Kind}
		if s.Protocol == syslog.RFC5424 {
			want.Structured = `[planetscale@32473 id="q7x2mk9d0a4e" organization="acme" action="deploy_request.queued"]`
		}
		if _, text, _ := strings.Cut(want.Raw, " forwarder-1 "); s.Protocol == syslog.RFC3164 && got[i].Header+got[i].Text != text {
			t.Errorf("header and text are %.200q, want %.200q", got[i].Header+got[i].Text, text)
		}
		if s.Protocol == syslog.RFC5424 {
			// A byte order mark is not part of the text.
			if text := strings.TrimPrefix(syslogngd.Escape(m.Text), "\ufeff"); got[i].Text != text {
				t.Errorf("text is %.200q, want %.200q", got[i].Text, text)
			}
		}
		got[i].Header, got[i].Text = "", ""
		if diff := cmp.Diff(want, got[i]); diff != "" {
			t.Errorf("record %.40q (-want +got):\n%s", r.Body, diff)
		}
	}
}

// awaitSyslogNG waits until syslog-ng has written n messages.
func awaitSyslogNG(t *testing.T, d *syslogngd.Daemon, n int) []syslogngd.Message {
	t.Helper()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	deadline := time.After(time.Minute)
	for {
		got, err := d.Messages()
		if err != nil {
			t.Fatal(err)
		}
		if len(got) >= n {
			return got
		}
		select {
		case <-look.C:
		case <-deadline:
			t.Fatalf("syslog-ng has written %d messages after a minute, want %d", len(got), n)
		}
	}
}
