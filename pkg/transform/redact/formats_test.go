package redact_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/cef"
	"github.com/sluice-siem/sluice/pkg/transform/ecs"
	"github.com/sluice-siem/sluice/pkg/transform/internal/corpus"
	"github.com/sluice-siem/sluice/pkg/transform/leef"
	"github.com/sluice-siem/sluice/pkg/transform/ocsf"
	"github.com/sluice-siem/sluice/pkg/transform/raw"
	"github.com/sluice-siem/sluice/pkg/transform/redact"
)

var formats = []transform.Format{ecs.Format, cef.Format, leef.Format, ocsf.Format, raw.Format}

// TestTheClearValueIsNowhere redacts every field in every way, for every format. In its
// events each value also occurs in other values, in metadata and its keys, and under
// unknown keys. It is escaped in any way that JSON allows.
func TestTheClearValueIsNowhere(t *testing.T) {
	encoders := make([]transform.Transformer, len(formats))
	for i, f := range formats {
		var err error
		if encoders[i], err = f.New(corpus.Options(transform.Options{Original: true, Host: "forwarder-1", Version: "1.2.3"})); err != nil {
			t.Fatal(err)
		}
	}
	hows := []string{"hash", "mask", "remove"}
	redactors := map[string]*redact.Redactor{}
	for _, name := range names {
		for _, how := range hows {
			redactors[name+how] = open(t, name, how)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		d := draft{t, values(t)}
		events, err := planetscale.Parse([]byte(d.event()), corpus.Organization)
		if err != nil || len(events) != 1 || events[0].Problem != "" {
			t.Fatalf("got %v and error %v", events, err)
		}
		how := rapid.SampledFrom(hows).Draw(t, "how")
		for _, name := range names {
			redacted := redactors[name+how].Redact(&events[0])
			for _, encoder := range encoders {
				if r := encode(t, encoder, redacted); shows(r, d.values[name]) {
					t.Fatalf("%s, %s by %s: %q can be read in %s\nevent: %s", r.Format, name, how, d.values[name], r.Body, events[0].Raw)
				}
			}
		}
		// A value that is not redacted must show; otherwise shows cannot find any.
		for _, encoder := range encoders {
			r := encode(t, encoder, &events[0])
			for _, name := range []string{"actor.name", "auditable.name", "target.name", "metadata.secret"} {
				if !shows(r, d.values[name]) {
					t.Fatalf("%s: %q of %s was not redacted, but cannot be read in %s", r.Format, d.values[name], name, r.Body)
				}
			}
		}
	})
}

func encode(t *rapid.T, encoder transform.Transformer, e *source.Event) sink.Record {
	t.Helper()
	r, err := encoder.Transform(nil, e)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// values draws a text for each field. The texts begin with letters that no record has
// otherwise. No format replaces any of their characters, as LEEF replaces a pipe.
func values(t *rapid.T) map[string]string {
	drawn := map[string]string{}
	for i, name := range names {
		rest := rapid.StringOfN(rapid.SampledFrom([]rune(`abcXYZ0189 .@:"=<'éł名😀-_/{}[],`)), 4, 16, -1).Draw(t, name)
		drawn[name] = fmt.Sprintf("Zq%dW%sV", i, rest)
	}
	return drawn
}

// shows reports whether a value can be read anywhere in a record, even if it was escaped
// several times.
func shows(r sink.Record, value string) bool {
	return strings.Contains(unescape(strings.Join([]string{string(r.Body), r.Key, r.Organization, r.Action}, "\n")), value)
}

// unescape replaces the code of a character after one or more backslashes with that
// character. It removes all other backslashes.
func unescape(text string) string {
	var out strings.Builder
	var units []uint16
	for i := 0; i < len(text); {
		digits := strings.TrimLeft(text[i:], `\`)
		if text[i] == '\\' && len(digits) >= 5 && digits[0] == 'u' {
			if unit, err := strconv.ParseUint(digits[1:5], 16, 16); err == nil {
				units = append(units, uint16(unit))
				i = len(text) - len(digits) + 5
				continue
			}
		}
		out.WriteString(string(utf16.Decode(units)))
		units = units[:0]
		if text[i] != '\\' {
			out.WriteByte(text[i])
		}
		i++
	}
	out.WriteString(string(utf16.Decode(units)))
	return out.String()
}

// draft draws a raw event that holds values.
type draft struct {
	*rapid.T
	values map[string]string
}

func (d draft) event() string {
	members := []string{`"id":"q7x2mk9d0a4e"`, `"audit_action":"organization.updated_role"`, `"created_at":"2026-03-14T15:09:26.535Z"`, `"actor_type":"User"`}
	for _, m := range [][2]string{
		{"actor_id", "actor.id"}, {"actor_display_name", "actor.name"}, {"auditable_id", "auditable.id"}, {"auditable_display_name", "auditable.name"},
		{"target_id", "target.id"}, {"target_display_name", "target.name"}, {"remote_ip", "remote_ip"}, {"location", "location"},
	} {
		members = append(members, fmt.Sprintf(`"%s":%s`, m[0], d.quote(d.values[m[1]])))
	}
	members = append(members,
		fmt.Sprintf(`"metadata":{"secret":%s,%s:{"deep":[%s,%s]},"note":%s}`,
			d.quote(d.values["metadata.secret"]), d.mention(), d.mention(), d.quote("x"), d.mention()),
		fmt.Sprintf(`"nickname":[{%s:%s}]`, d.mention(), d.mention()))
	return "{" + strings.Join(rapid.Permutation(members).Draw(d.T, "members"), ",") + "}"
}

// mention returns a text that holds a value, or is one.
func (d draft) mention() string {
	value := d.values[rapid.SampledFrom(names).Draw(d.T, "mentioned")]
	text := rapid.SampledFrom([]string{"%s", "by %s", "%s's", "x%sx", "%[1]s and %[1]s"}).Draw(d.T, "text")
	return d.quote(fmt.Sprintf(text, value))
}

// quote writes a JSON string with or without escapes.
func (d draft) quote(s string) string {
	if rapid.Bool().Draw(d.T, "escaped") {
		return escaped(s)
	}
	return string(transform.AppendJSON(nil, s))
}

func escaped(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r > 0xffff {
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x`, 0xd800+r>>10)
			r = 0xdc00 + r&0x3ff
		}
		fmt.Fprintf(&b, `\u%04X`, r)
	}
	return `"` + b.String() + `"`
}
