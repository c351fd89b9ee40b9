//go:build integration

package syslog_test

import (
	"bufio"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/rsyslogd"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/syslog"
)

// What a message that left the relay must end with, made of the message that was sent and
// of the record in it.
var (
	whole = func(sent, _ string) string { return sent }
	text  = func(_, body string) string { return body }
	// The word before the first colon of RFC 3164 is the tag.
	spaced = func(_, body string) string { return " " + strings.Replace(body, ":", ": ", 1) }
	parted = func(_, body string) string { return " " + strings.Replace(body, ":", " - - - ", 1) }
	line   = func(end func(_, _ string) string) func(_, _ string) string {
		return func(sent, body string) string { return end(sent, body) + "\n" }
	}
)

// relays is a table of docs/syslog.md: what each template of rsyslog makes of CEF and LEEF.
var relays = map[string]map[string]func(sent, body string) string{
	"RSYSLOG_TraditionalForwardFormat": {syslog.RFC3164: spaced, syslog.RFC5424: text},
	"RSYSLOG_ForwardFormat":            {syslog.RFC3164: spaced, syslog.RFC5424: text},
	"RSYSLOG_SyslogProtocol23Format":   {syslog.RFC3164: line(parted), syslog.RFC5424: line(whole)},
	"raw":                              {syslog.RFC3164: whole, syslog.RFC5424: whole},
}

// TestThroughARelay sends the corpora of CEF and LEEF through an rsyslog that forwards
// them with each template.
func TestThroughARelay(t *testing.T) {
	collectors, forward := map[string]*collector{}, map[string]string{}
	for template := range relays {
		collectors[template] = newCollector(t)
		forward[template] = collectors[template].Addr().String()
	}
	d := rsyslogd.Start(t, rsyslogd.Config{Direct: true, Forward: forward})
	var records []sink.Record
	for path, body := range hostile(t) {
		// Their formats shorten the others.
		if len(body) <= 7000 && (strings.HasPrefix(path, "cef/") || strings.HasPrefix(path, "leef/")) {
			records = append(records, record(body))
		}
	}
	if len(records) < 50 {
		t.Fatalf("%d records of CEF and LEEF; the corpora have more", len(records))
	}
	for _, protocol := range []string{syslog.RFC3164, syslog.RFC5424} {
		s := settings(t, "relp://"+d.RELP)
		s.Protocol = protocol
		snk := open(t, s)
		for some := range slices.Chunk(records, 20) {
			deliver(t, snk, some)
			for template, ends := range relays {
				for _, r := range some {
					sent, err := syslog.Message(s, r)
					if err != nil {
						t.Fatal(err)
					}
					want := ends[protocol](rsyslogd.Escape(string(sent)), rsyslogd.Escape(string(r.Body)))
					if got := collectors[template].next(t); !strings.HasSuffix(got, want) {
						t.Errorf("%s through %s arrived as\n%.200q, want an end of\n%.200q", protocol, template, got, want)
					}
				}
			}
		}
	}
}

// collector takes octet-counted messages of one connection, whatever they are.
type collector struct {
	net.Listener
	messages chan string
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{l, make(chan string)}
	collected := make(chan struct{})
	go func() {
		defer close(collected)
		c.collect(t)
	}()
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		<-collected
	})
	return c
}

func (c *collector) collect(t *testing.T) {
	defer close(c.messages)
	conn, err := c.Accept()
	if err != nil {
		t.Errorf("accepting the relay: %v", err)
		return
	}
	defer conn.Close()
	for r := bufio.NewReader(conn); ; {
		length, err := r.ReadString(' ')
		if err != nil {
			return // The relay has ended.
		}
		n, err := strconv.Atoi(strings.TrimSuffix(length, " "))
		if err != nil {
			t.Errorf("the length of a message: %v", err)
			return
		}
		message := make([]byte, n)
		if _, err := io.ReadFull(r, message); err != nil {
			t.Errorf("a message of %d bytes: %v", n, err)
			return
		}
		select {
		case c.messages <- string(message):
		case <-t.Context().Done():
			return
		}
	}
}

// next returns the next message.
func (c *collector) next(t *testing.T) string {
	t.Helper()
	select {
	case message, ok := <-c.messages:
		if !ok {
			t.Fatal("the relay has ended")
		}
		return message
	case <-time.After(time.Minute):
		t.Fatal("the relay has sent nothing for a minute")
	}
	return ""
}
