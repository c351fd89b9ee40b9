package redact_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/cef"
	"github.com/sluice-siem/sluice/pkg/transform/ecs"
	"github.com/sluice-siem/sluice/pkg/transform/internal/corpus"
	"github.com/sluice-siem/sluice/pkg/transform/ocsf"
	"github.com/sluice-siem/sluice/pkg/transform/raw"
	"github.com/sluice-siem/sluice/pkg/transform/redact"
)

var formats = []transform.Format{ecs.Format, cef.Format, ocsf.Format, raw.Format}

// TestTheClearValueIsNowhere redacts every field in every way for every format,
// in events whose values also turn up in each other, in metadata and the names in
// it, and under keys that nobody knows, escaped in any of the ways JSON has.
func TestTheClearValueIsNowhere(t *testing.T) {
	encoders := make([]transform.Transformer, len(formats))
	for i, f := range formats {
		var err error
		if encoders[i], err = f.New(transform.Options{Original: true, Host: "forwarder-1", Version: "1.2.3"}); err != nil {
			t.Fatal(err)
		}
	}
	redactors := map[string]*redact.Redactor{}
	for _, name := range names {
		for _, how := range []string{"hash", "mask", "remove"} {
			redactors[name+": "+how] = open(t, name, how)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		d := draft{t, values(t)}
		events, err := planetscale.Parse([]byte(d.event()), corpus.Organization)
		if err != nil || len(events) != 1 || events[0].Problem != "" {
			t.Fatalf("got %v and error %v", events, err)
		}
		e := events[0]
		for i, encoder := range encoders {
			for rule, r := range redactors {
				name, _, _ := strings.Cut(rule, ":")
				record, err := encoder.Transform(nil, r.Redact(&e))
				if err != nil {
					t.Fatal(err)
				}
				if shows(record, d.values[name]) {
					t.Fatalf("%s, %s: %q shows in %s\nevent: %s", formats[i].Name, rule, d.values[name], record.Body, e.Raw)
				}
			}
			// What is not redacted shows, or else the judge is blind.
			record, err := encoder.Transform(nil, &e)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"actor.name", "auditable.name", "target.name", "metadata.secret"} {
				if !shows(record, d.values[name]) {
					t.Fatalf("%s: %q of %s shows nowhere in %s", formats[i].Name, d.values[name], name, record.Body)
				}
			}
		}
	})
}

// values draws a text for each field. No part of a record by itself holds the
// letters they begin with.
func values(t *rapid.T) map[string]string {
	drawn := map[string]string{}
	for i, name := range names {
		rest := rapid.StringOfN(rapid.SampledFrom([]rune(`abcXYZ0189 .@:"=|<'éł名😀-_/{}[],`)), 4, 16, -1).Draw(t, name)
		drawn[name] = fmt.Sprintf("Zq%dW%sV", i, rest)
	}
	return drawn
}

var (
	slashes = regexp.MustCompile(`\\+`)
	escape  = regexp.MustCompile(`\\+u[0-9a-fA-F]{4}(\\+u[dD][c-fC-F][0-9a-fA-F]{2})?`)
)

// shows reports whether a value can be read anywhere in a record, however often
// it was escaped.
func shows(r sink.Record, value string) bool {
	text := strings.Join([]string{string(r.Body), r.Key, r.Organization, r.Action}, "\n")
	text = escape.ReplaceAllStringFunc(text, func(found string) string {
		var meant string
		if err := json.Unmarshal([]byte(`"`+slashes.ReplaceAllLiteralString(found, `\`)+`"`), &meant); err != nil {
			panic(err)
		}
		return meant
	})
	return strings.Contains(strings.ReplaceAll(text, `\`, ""), value)
}

// draft draws a raw event around values.
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

// mention is a text with a value in it, or all of it.
func (d draft) mention() string {
	value := d.values[rapid.SampledFrom(names).Draw(d.T, "mentioned")]
	text := rapid.SampledFrom([]string{"%s", "by %s", "%s's", "x%sx", "%[1]s and %[1]s"}).Draw(d.T, "text")
	return d.quote(fmt.Sprintf(text, value))
}

// quote writes a JSON string in one of the ways there are.
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
