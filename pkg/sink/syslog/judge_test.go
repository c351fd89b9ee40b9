package syslog_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	parser "github.com/leodido/go-syslog/v4"
	"github.com/leodido/go-syslog/v4/nontransparent"
	"github.com/leodido/go-syslog/v4/octetcounting"
	"github.com/leodido/go-syslog/v4/rfc3164"
	"github.com/leodido/go-syslog/v4/rfc5424"

	"github.com/sluice-siem/sluice/pkg/sink/syslog"
)

// message is a message as a strict parser, which shares no code with the sink, reads it.
type message struct {
	Priority              int
	Time                  time.Time
	Host, App, Proc, Kind string // Kind is MSGID
	Data                  map[string]map[string]string
	Text                  string
}

// judge parses the messages that were sent with the settings.
func judge(s syslog.Settings, sent []byte) (all []message, err error) {
	take := func(r *parser.Result) {
		if r.Error != nil || r.Message == nil {
			err = errors.Join(err, r.Error, errors.New("this is no message"))
			return
		}
		all = append(all, understood(r.Message))
	}
	options := []parser.ParserOption{parser.WithListener(take), parser.WithMaxMessageLength(1 << 20)}
	year := rfc3164.WithYear(rfc3164.Year{YYYY: eventTime.Year()})
	switch {
	case s.Protocol == syslog.RFC5424 && s.Framing == syslog.Newline:
		nontransparent.NewParser(options...).Parse(bytes.NewReader(sent))
	case s.Protocol == syslog.RFC5424:
		octetcounting.NewParser(options...).Parse(bytes.NewReader(sent))
	case s.Framing == syslog.Newline:
		options = append(options, parser.WithMachineOptions(year, rfc3164.WithLocaleTimezone(time.Local)))
		nontransparent.NewParserRFC3164(options...).Parse(bytes.NewReader(sent))
	default:
		options = append(options, parser.WithMachineOptions(year, rfc3164.WithLocaleTimezone(time.Local)))
		octetcounting.NewParserRFC3164(options...).Parse(bytes.NewReader(sent))
	}
	return all, err
}

func understood(m parser.Message) message {
	switch m := m.(type) {
	case *rfc5424.SyslogMessage:
		out := based(m.Base)
		if m.StructuredData != nil {
			out.Data = *m.StructuredData
		}
		return out
	case *rfc3164.SyslogMessage:
		return based(m.Base)
	}
	panic(fmt.Sprintf("the parser returned a %T", m))
}

func based(b parser.Base) message {
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	out := message{Host: text(b.Hostname), App: text(b.Appname), Proc: text(b.ProcID), Kind: text(b.MsgID), Text: text(b.Message)}
	if b.Priority != nil {
		out.Priority = int(*b.Priority)
	}
	if b.Timestamp != nil {
		out.Time = b.Timestamp.UTC()
	}
	return out
}

// one parses a single message.
func one(t testing.TB, s syslog.Settings, sent []byte) message {
	t.Helper()
	all, err := judge(s, sent)
	if err != nil {
		t.Fatalf("the parser says %v of %.300q", err, sent)
	}
	if len(all) != 1 {
		t.Fatalf("got %d messages, want one: %.300q", len(all), sent)
	}
	return all[0]
}

// counted adds framing to a message of a transport without framing.
func counted(message []byte) []byte { return fmt.Appendf(nil, "%d %s", len(message), message) }
