package syslog_test

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/syslog"
)

var eventTime = time.Date(2026, 3, 4, 5, 6, 7, 89_012_000, time.UTC)

// settings returns the defaults, with a host name that is the same on every machine.
func settings(t testing.TB, addresses ...string) syslog.Settings {
	t.Helper()
	s := *syslog.Type.Settings().(*syslog.Settings)
	s.Hostname = "forwarder-1"
	if err := s.Address.UnmarshalText([]byte(strings.Join(addresses, ","))); err != nil {
		t.Fatal(err)
	}
	return s
}

func record(body string) sink.Record {
	return sink.Record{
		ID: "q7x2mk9d0a4e", Organization: "acme", Action: "deploy_request.queued",
		Time: eventTime, Severity: 3, Body: []byte(body),
	}
}

// TestMain sets a local time zone, so that it shows in the times of RFC 3164.
func TestMain(m *testing.M) {
	time.Local = time.FixedZone("test", -7*60*60)
	os.Exit(m.Run())
}

func TestMessage(t *testing.T) {
	stamp := eventTime.Local().Format(time.Stamp)
	for _, tt := range []struct {
		words  string
		change func(*syslog.Settings, *sink.Record)
		want   string
	}{
		{"RFC 5424 with its length in bytes", func(_ *syslog.Settings, r *sink.Record) { r.Body = []byte("é") },
			`169 <110>1 2026-03-04T05:06:07.089012Z forwarder-1 sluice - deploy_request.queued [planetscale@32473 id="q7x2mk9d0a4e" organization="acme" action="deploy_request.queued"] é`},
		{"with a byte order mark", func(s *syslog.Settings, _ *sink.Record) { s.BOM = true },
			`172 <110>1 2026-03-04T05:06:07.089012Z forwarder-1 sluice - deploy_request.queued [planetscale@32473 id="q7x2mk9d0a4e" organization="acme" action="deploy_request.queued"] ` + "\ufeff{}"},
		{"without a byte order mark where the text is not UTF-8", func(s *syslog.Settings, r *sink.Record) { s.BOM = true; r.Body = []byte("\xff\xff") },
			`169 <110>1 2026-03-04T05:06:07.089012Z forwarder-1 sluice - deploy_request.queued [planetscale@32473 id="q7x2mk9d0a4e" organization="acme" action="deploy_request.queued"] ` + "\xff\xff"},
		{"newline framing", func(s *syslog.Settings, r *sink.Record) { s.Framing = syslog.Newline; r.Body = []byte("a\r\nb\x00") },
			`<110>1 2026-03-04T05:06:07.089012Z forwarder-1 sluice - deploy_request.queued [planetscale@32473 id="q7x2mk9d0a4e" organization="acme" action="deploy_request.queued"] a  b ` + "\n"},
		{"marks", func(s *syslog.Settings, r *sink.Record) {
			s.Framing, r.Replayed, r.OwnToken = syslog.Newline, true, true
		},
			`<110>1 2026-03-04T05:06:07.089012Z forwarder-1 sluice - deploy_request.queued [planetscale@32473 id="q7x2mk9d0a4e" organization="acme" action="deploy_request.queued" replayed="true" own_token="true"] {}` + "\n"},
		{"names of one's own", func(s *syslog.Settings, _ *sink.Record) {
			s.Framing, s.Facility, s.Hostname, s.AppName, s.SDID = syslog.Newline, 23, "siem.example.com", "audit", "acme@99999.1"
		}, `<190>1 2026-03-04T05:06:07.089012Z siem.example.com audit - deploy_request.queued [acme@99999.1 id="q7x2mk9d0a4e" organization="acme" action="deploy_request.queued"] {}` + "\n"},
		{"an event that nothing is known of", func(s *syslog.Settings, r *sink.Record) {
			s.Framing = syslog.Newline
			*r = sink.Record{Body: r.Body}
		}, `<110>1 - forwarder-1 sluice - - [planetscale@32473 id="sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" organization="" action=""] {}` + "\n"},
		{"hostile text in the header", func(s *syslog.Settings, r *sink.Record) {
			s.Framing = syslog.Newline
			r.ID, r.Organization, r.Action = `a"]b\`, "x\n<13>1 - - - - - - forged", "évil action\x00 that goes on and on and on"
		}, `<110>1 2026-03-04T05:06:07.089012Z forwarder-1 sluice - __vil_action__that_goes~0580e767 [planetscale@32473 id="a\"\]b\\" organization="x` + "\ufffd" + `<13>1 - - - - - - forged" action="évil action` + "\ufffd" + ` that goes on and on and on"] {}` + "\n"},
		{"RFC 3164", func(s *syslog.Settings, _ *sink.Record) { s.Protocol = syslog.RFC3164 },
			"43 <110>" + stamp + " forwarder-1 sluice: {}"},
		{"RFC 3164 with CEF after the host", func(s *syslog.Settings, r *sink.Record) {
			s.Protocol, s.Framing, r.Body = syslog.RFC3164, syslog.Newline, []byte("CEF:0|PlanetScale|")
		}, "<110>" + stamp + " forwarder-1 CEF:0|PlanetScale|\n"},
		{"RFC 3164 with LEEF after the host", func(s *syslog.Settings, r *sink.Record) {
			s.Protocol, s.Framing, r.Body = syslog.RFC3164, syslog.Newline, []byte("LEEF:2.0|PlanetScale|")
		}, "<110>" + stamp + " forwarder-1 LEEF:2.0|PlanetScale|\n"},
	} {
		t.Run(tt.words, func(t *testing.T) {
			s, r := settings(t, "tcp://siem:514"), record("{}")
			tt.change(&s, &r)
			got, err := syslog.Message(s, r)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestSeverity(t *testing.T) {
	s := settings(t, "tcp://siem:514")
	for of, want := range map[int]int{-1: 6, 0: 6, 3: 6, 4: 5, 6: 5, 7: 4, 8: 4, 9: 2, 10: 2, 11: 2} {
		r := record("{}")
		r.Severity = of
		sent, err := syslog.Message(s, r)
		if err != nil {
			t.Fatal(err)
		}
		if got := one(t, s, sent).Priority % 8; got != want {
			t.Errorf("severity %d: got %d, want %d", of, got, want)
		}
	}
}

// everyWay returns each protocol with each framing.
func everyWay(t *testing.T, f func(t *testing.T, s syslog.Settings)) {
	for _, protocol := range []string{syslog.RFC5424, syslog.RFC3164} {
		for _, framing := range []string{syslog.OctetCounting, syslog.Newline} {
			t.Run(protocol+" "+framing, func(t *testing.T) {
				s := settings(t, "tcp://siem:514")
				s.Protocol, s.Framing = protocol, framing
				s.MaxMessageBytes = 1 << 20
				f(t, s)
			})
		}
	}
}

// hostile returns bodies: those that the formats make of their corpora, and some that no
// format makes.
func hostile(t testing.TB) map[string]string {
	t.Helper()
	bodies := map[string]string{
		"line ends":          "one\ntwo\r\nthree\rfour\n\nfive",
		"a message":          "x\n<13>1 2026-01-01T00:00:00Z host app - - - forged",
		"a counted message":  "x\n28 <13>1 - - - - - - forged",
		"a number":           "12345678 ",
		"a byte order mark":  "\ufeffCEF:0|",
		"structured data":    `[evil@1 a="b"] text`,
		"a tab":              "a\tb",
		"controls":           "\x00\x01\x1b[2J\x7f",
		"every byte of UTF8": "é€📦\u2028\u0085\u202e",
		"a tag":              "su[1]: forged",
		"spaces":             "  x  ",
	}
	formats := os.DirFS("../../transform")
	err := fs.WalkDir(formats, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(path, "/testdata/golden/") {
			return err
		}
		content, err := fs.ReadFile(formats, path)
		bodies[path] = strings.TrimSuffix(string(content), "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(bodies) < 50 {
		t.Fatalf("got %d bodies; the formats have more in their corpora", len(bodies))
	}
	return bodies
}

// TestHostileTextStaysInItsMessage reads every body back with a strict parser, two
// messages in a row.
func TestHostileTextStaysInItsMessage(t *testing.T) {
	everyWay(t, func(t *testing.T, s syslog.Settings) {
		for name, body := range hostile(t) {
			r := record(body)
			r.Epoch, r.Sequence = uint64(len(body)%2), 41
			sent, err := syslog.Message(s, r)
			if err != nil {
				t.Fatal(err)
			}
			all, err := judge(s, append(sent, sent...))
			if err != nil || len(all) != 2 {
				t.Errorf("%s: got %d messages, want 2; the parser says %v", name, len(all), err)
				continue
			}
			for _, got := range all {
				if diff := cmp.Diff(expected(s, r), got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
			}
		}
	})
}

// expected returns what a parser should find in the message of a record whose header
// fields need no change.
func expected(s syslog.Settings, r sink.Record) message {
	text := string(r.Body)
	if s.Framing == syslog.Newline {
		text = strings.NewReplacer("\n", " ", "\r", " ", "\x00", " ").Replace(text)
	}
	if s.Protocol == syslog.RFC3164 {
		text = strings.NewReplacer("\n", " ", "\r", " ", "\x00", " ", "\x01", " ", "\x1b", " ", "\x7f", " ").Replace(text)
	}
	if s.Protocol == syslog.RFC5424 {
		own := map[string]string{"id": r.ID, "organization": r.Organization, "action": r.Action}
		data := map[string]map[string]string{"planetscale@32473": own}
		if r.Epoch > 0 {
			own["epoch"], own["sequence"] = fmt.Sprint(r.Epoch), fmt.Sprint(r.Sequence)
			data["meta"] = map[string]string{"sequenceId": fmt.Sprint(r.Sequence + 1)}
		}
		return message{Priority: 110, Time: r.Time, Host: "forwarder-1", App: "sluice", Kind: r.Action, Text: text, Data: data}
	}
	out := message{Priority: 110, Time: r.Time.Truncate(time.Second), Host: "forwarder-1", App: "sluice"}
	for _, tag := range []string{"CEF", "LEEF"} {
		if strings.HasPrefix(text, tag+":") {
			out.App = tag // which this parser leaves in the text, too
		}
	}
	out.Text = text
	return out
}

// A collector that counts or filters by MSGID must not mix actions. Cut to 32 bytes, the
// first three are the same, and so are the last two with _ for what MSGID cannot hold.
func TestActionsDoNotShareAMSGID(t *testing.T) {
	s := settings(t, "tcp://siem:514")
	seen := map[string]string{}
	for action, want := range map[string]string{
		"database_branch.updated_cluster_size":            "database_branch.updated~e60da756",
		"database_branch.updated_cluster_config":          "database_branch.updated~b0d1bce1",
		"database_branch.updated_cluster_update_strategy": "database_branch.updated~5c222df0",
		"branch.deleted é":                                "branch.deleted___~7fe7ba24",
		"branch.deleted è":                                "branch.deleted___~7d2f2060",
		"database_branch_password.created":                "database_branch_password.created", // 32 bytes
	} {
		r := record("{}")
		r.Action = action
		sent, err := syslog.Message(s, r)
		if err != nil {
			t.Fatal(err)
		}
		got := one(t, s, sent)
		if got.Kind != want || len(got.Kind) > 32 {
			t.Errorf("%s: MSGID %s, want %s", action, got.Kind, want)
		}
		if other := seen[got.Kind]; other != "" {
			t.Errorf("%s and %s have the MSGID %s", action, other, got.Kind)
		}
		seen[got.Kind] = action
	}
}

// TestMessagesKeepToTheLimit uses headers and bodies with any content: a body within the
// declared limit always fits, and a record whose message does not fit is refused.
func TestMessagesKeepToTheLimit(t *testing.T) {
	everyWay(t, func(t *testing.T, s syslog.Settings) {
		s.MaxMessageBytes = 2048
		snk := open(t, s)
		limit := snk.(sink.Limiter).Limits().RecordBytes
		if limit < 1200 || limit > 2048 {
			t.Fatalf("%d bytes are left for the body of %d", limit, s.MaxMessageBytes)
		}
		rapid.Check(t, func(rt *rapid.T) {
			r := sink.Record{
				ID:           rapid.String().Draw(rt, "id"),
				Organization: rapid.StringN(0, 300, -1).Draw(rt, "organization"),
				Action:       rapid.StringN(0, 300, -1).Draw(rt, "action"),
				Time:         time.UnixMicro(rapid.Int64().Draw(rt, "time")),
				Severity:     rapid.Int().Draw(rt, "severity"),
				Epoch:        rapid.SampledFrom([]uint64{0, 1, math.MaxUint64}).Draw(rt, "epoch"),
				Sequence:     rapid.Uint64().Draw(rt, "sequence"),
				Body:         []byte(strings.Repeat("b", rapid.IntRange(1, 2200).Draw(rt, "size"))),
			}
			sent, err := syslog.Message(s, r)
			switch {
			case err == nil && len(sent) > 2048+len("2048 "):
				rt.Fatalf("sent %d bytes", len(sent))
			case err != nil && len(r.Body) <= limit:
				rt.Fatalf("a body of %d bytes, where %d are allowed: %v", len(r.Body), limit, err)
			case err != nil && !sink.IsPermanent(err):
				rt.Fatalf("got %v, want a permanent error", err)
			case err == nil:
				one(t, s, sent)
			}
		})
	})
}

func FuzzMessage(f *testing.F) {
	for _, body := range hostile(f) {
		if len(body) > 200 {
			continue // Minimizing long ones takes all the time there is.
		}
		f.Add("id", "acme", "branch.created", []byte(body), true)
		f.Add(body, body, body, []byte("{}"), false)
	}
	f.Fuzz(func(t *testing.T, id, organization, action string, body []byte, counted bool) {
		s := settings(t, "tcp://siem:514")
		s.MaxMessageBytes = 1 << 20
		if !counted {
			s.Framing = syslog.Newline
		}
		r := sink.Record{ID: id, Organization: organization, Action: action, Time: eventTime, Body: body}
		sent, err := syslog.Message(s, r)
		if err != nil {
			return // It is larger than the largest message.
		}
		got := one(t, s, sent)
		if counted && got.Text != string(body) || len(got.Text) != len(body) {
			t.Errorf("got text %q, want %q", got.Text, body)
		}
		for key, value := range got.Data["planetscale@32473"] {
			if !utf8.ValidString(value) || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' }) {
				t.Errorf("got %s=%q", key, value)
			}
		}
		if plain(id) && got.Data["planetscale@32473"]["id"] != id {
			t.Errorf("got id %q, want %q", got.Data["planetscale@32473"]["id"], id)
		}
	})
}

// plain reports whether every receiver gets an id unchanged.
func plain(id string) bool {
	return id != "" && len(id) < 128 && !strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' })
}

// TestIdsStayApart checks that ids of different events stay different.
func TestIdsStayApart(t *testing.T) {
	s := settings(t, "tcp://siem:514")
	long := strings.Repeat("x", 255)
	seen := map[string]string{}
	for _, id := range []string{"", " ", "é", "\xff", "\xfe", "\ufffd", "a b", "a\nb", "a\x00b", long, long + "y", long + "z", strings.Repeat(`"`, 128), strings.Repeat(`"`, 129)} {
		r := record("{}")
		r.ID = id
		sent, err := syslog.Message(s, r)
		if err != nil {
			t.Fatal(err)
		}
		got := one(t, s, sent).Data["planetscale@32473"]["id"]
		if other, shared := seen[got]; shared {
			t.Errorf("%q and %q both became %q", id, other, got)
		}
		seen[got] = id
	}
	if seen[long] != long {
		t.Errorf("an id of %d bytes was changed", len(long))
	}
}
