//go:build integration

package syslog_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/internal/rsyslogd"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/syslog"
)

// transports are those of the rig that lose no message.
func transports(t testing.TB, d *rsyslogd.Daemon) map[string]syslog.Settings {
	t.Helper()
	all := map[string]syslog.Settings{}
	for scheme, address := range map[string]string{"udp": d.UDP, "tcp": d.TCP, "tls": d.TLS, "relp": d.RELP, "relp+tls": d.RELPTLS} {
		s := settings(t, scheme+"://"+address)
		s.Settle = setting.Duration(100 * time.Millisecond)
		if s.Address[0].Scheme == "tls" || s.Address[0].Scheme == "relp+tls" {
			s.TLS.CAFile = d.CAFile
		}
		all[scheme] = s
	}
	return all
}

// TestRsyslogGetsEachRecordAsOneMessage sends hostile records with every transport,
// protocol and framing.
func TestRsyslogGetsEachRecordAsOneMessage(t *testing.T) {
	d := rsyslogd.Start(t, rsyslogd.Config{})
	var records []sink.Record
	for _, body := range hostile(t) {
		if len(body) <= 7000 { // Others are shortened by their format.
			records = append(records, record(body))
		}
	}
	seen := 0
	for scheme, s := range transports(t, d) {
		for _, protocol := range []string{syslog.RFC5424, syslog.RFC3164} {
			for _, framing := range []string{syslog.OctetCounting, syslog.Newline} {
				if framing == syslog.Newline && scheme != "tcp" && scheme != "tls" {
					continue
				}
				t.Run(strings.Join([]string{scheme, protocol, framing}, " "), func(t *testing.T) {
					s.Protocol, s.Framing = protocol, framing
					snk := open(t, s)
					largest := record(strings.Repeat("é", snk.(sink.Limiter).Limits().RecordBytes/2))
					// A few at a time: the UDP socket holds about a hundred.
					for some := range slices.Chunk(append(records, largest), 20) {
						deliver(t, snk, some)
						all := awaitMessages(t, d, seen+len(some))
						wantUnderstood(t, s, all[seen:], some)
						seen = len(all)
					}
				})
			}
		}
	}
}

// TestRsyslogAbortsOverOneRecord uses an imrelp that ends the connection over a message
// that is too long: of 30 records 29 are delivered and one is rejected.
func TestRsyslogAbortsOverOneRecord(t *testing.T) {
	d := rsyslogd.Start(t, rsyslogd.Config{Direct: true, AbortOver: 4096})
	for i, bad := range []int{0, 2, 29} {
		t.Run(fmt.Sprintf("record %d", bad), func(t *testing.T) {
			records := batch(100*i, 30)
			records[bad] = record(strings.Repeat("x", 6000))
			l := &lane{snk: open(t, settings(t, "relp://"+d.RELP)), attempts: 30, timeout: time.Minute}
			if !l.deliver(records) {
				t.Fatalf("records were not settled: %v", l.last)
			}
			if len(l.rejects) != 1 || l.rejects[0] != string(records[bad].Body) {
				t.Errorf("got %d rejects, want the oversized record alone", len(l.rejects))
			}
			all, err := d.Messages()
			if err != nil {
				t.Fatal(err)
			}
			arrived := make([]string, len(all))
			for i := range all {
				_, arrived[i], _ = strings.Cut(all[i].Raw, "] ")
			}
			for _, problem := range append(l.wrong, misplaced(arrived, records, map[string]bool{string(records[bad].Body): true})...) {
				t.Error(problem)
			}
			t.Logf("%d messages arrived, of which %d are different", len(all), len(slices.Compact(slices.Sorted(slices.Values(arrived)))))
		})
	}
}

// wantUnderstood compares the bytes that rsyslog received, and the fields that it parsed,
// with the records that were sent.
func wantUnderstood(t *testing.T, s syslog.Settings, got []rsyslogd.Message, records []sink.Record) {
	t.Helper()
	if len(got) != len(records) {
		t.Errorf("rsyslog made %d messages of %d records", len(got), len(records))
		return
	}
	for i, r := range records {
		sent, err := syslog.Message(s, r)
		if err != nil {
			t.Fatal(err)
		}
		want := rsyslogd.Message{Raw: rsyslogd.Escape(unframed(s, sent)), Host: "forwarder-1", App: "sluice", ID: "-", Structured: "-"}
		m := expected(s, r)
		want.App = m.App
		if s.Protocol == syslog.RFC5424 {
			want.ID = m.Kind
			want.Structured = `[planetscale@32473 id="q7x2mk9d0a4e" organization="acme" action="deploy_request.queued"]`
		}
		got[i].Text = ""
		if diff := cmp.Diff(want, got[i]); diff != "" {
			t.Errorf("record %.40q (-want +got):\n%s", r.Body, diff)
		}
	}
}

// unframed returns a message without framing, as with UDP.
func unframed(s syslog.Settings, sent []byte) string {
	text := string(sent)
	switch {
	case s.Framing == syslog.Newline:
		return strings.TrimSuffix(text, "\n")
	case s.Address[0].Scheme == "tcp" || s.Address[0].Scheme == "tls":
		_, text, _ = strings.Cut(text, " ")
	}
	return text
}

// awaitMessages waits until rsyslog has written n messages.
func awaitMessages(t testing.TB, d *rsyslogd.Daemon, n int) []rsyslogd.Message {
	t.Helper()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	deadline := time.After(20 * time.Second)
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
			t.Fatalf("rsyslog has written %d messages after 20 s, want %d", len(got), n)
		}
	}
}
