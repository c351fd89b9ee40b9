package transform_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/cef"
	"github.com/sluice-siem/sluice/pkg/transform/cef/ceftest"
	"github.com/sluice-siem/sluice/pkg/transform/internal/corpus"
	"github.com/sluice-siem/sluice/pkg/transform/leef"
	"github.com/sluice-siem/sluice/pkg/transform/leef/leeftest"
)

// stated is what a record says of itself. Raw has more than one reading.
type stated struct {
	epoch, sequence string
	readings        []evidence.Facts
}

// readers read the facts of a record as the documentation of package evidence places them.
// They share no code with what writes records.
var readers = map[string]func(r *sink.Record) (stated, error){
	"ecs": readECS, "ocsf": readOCSF, "ocsf-iam": readOCSF, "cef": readCEF, "cef-1": readCEF, "cef-ipv6": readCEF,
	"leef": readLEEF, "leef-at": readLEEF, "raw": readRaw,
}

// numbered are the formats with settings that change where facts stand.
func numbered() []setup {
	all := []setup{
		{"cef-ipv6", cef.Format, &cef.Settings{IPv6InSrc: true}},
		{"leef-at", leef.Format, &leef.Settings{Delimiter: "@"}},
	}
	for _, f := range formats {
		all = append(all, setup(f))
	}
	return all
}

type setup struct {
	name string
	transform.Format
	settings any
}

func at(o map[string]any, path ...string) any {
	var v any = o
	for _, key := range path {
		inner, _ := v.(map[string]any)
		v = inner[key]
	}
	return v
}

func textAt(o map[string]any, path ...string) string { s, _ := at(o, path...).(string); return s }

func decode(body []byte) (o map[string]any, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	return o, d.Decode(&o)
}

func form(undecoded, shortened bool) evidence.Form {
	switch {
	case undecoded:
		return evidence.Undecoded
	case shortened:
		return evidence.Shortened
	}
	return evidence.Whole
}

func hashOf(text string) (sum [32]byte) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(sum) {
		return [32]byte{}
	}
	return [32]byte(b)
}

func readECS(r *sink.Record) (stated, error) {
	o, err := decode(r.Body)
	if err != nil {
		return stated{}, err
	}
	log := func(path ...string) string { return textAt(o, append([]string{"planetscale", "audit"}, path...)...) }
	when, err := time.Parse(time.RFC3339, textAt(o, "@timestamp"))
	return stated{fmt.Sprint(at(o, "planetscale", "audit", "epoch")), fmt.Sprint(at(o, "event", "sequence")), []evidence.Facts{{
		Form: form(textAt(o, "event", "kind") == "pipeline_error", at(o, "planetscale", "audit", "truncated") != nil),
		ID:   textAt(o, "event", "id"), Time: when, Action: textAt(o, "event", "action"), Actor: log("actor", "id"),
		Address: textAt(o, "source", "ip"), Object: log("auditable", "id"), Container: log("target", "id"),
		Organization: textAt(o, "organization", "name"), Hash: hashOf(textAt(o, "event", "hash")),
	}}}, err
}

func readOCSF(r *sink.Record) (stated, error) {
	o, err := decode(r.Body)
	if err != nil {
		return stated{}, err
	}
	resources, _ := at(o, "resources").([]any)
	if resources == nil {
		resources, _ = at(o, "unmapped", "resources").([]any)
	}
	var ids [2]string
	for i, resource := range resources {
		ids[i] = textAt(resource.(map[string]any), "uid")
	}
	if objects, is := at(o, "unmapped", "sluice", "objects").([]any); is {
		ids = [2]string{objects[0].(string), objects[1].(string)}
	}
	ms, err := o["time"].(json.Number).Int64()
	return stated{fmt.Sprint(at(o, "unmapped", "sluice", "epoch")), fmt.Sprint(at(o, "metadata", "sequence")), []evidence.Facts{{
		Form: form(at(o, "metadata", "debug") != nil, at(o, "metadata", "is_truncated") == true),
		ID:   textAt(o, "metadata", "uid"), Time: time.UnixMilli(ms), Action: textAt(o, "metadata", "event_code"),
		Actor: textAt(o, "actor", "user", "uid"), Address: textAt(o, "src_endpoint", "ip"), Object: ids[0], Container: ids[1],
		Organization: textAt(o, "metadata", "tenant_uid"), Hash: hashOf(textAt(o, "raw_data_hash", "value")),
	}}}, err
}

// ipv6InSrc is a pair that the strict parser refuses, since the standard does.
var ipv6InSrc = regexp.MustCompile(` src=[0-9a-f:]*:[0-9a-f:]* `)

func readCEF(r *sink.Record) (stated, error) {
	m, err := ceftest.Parse(ipv6InSrc.ReplaceAllString(string(r.Body), " "))
	if err != nil {
		return stated{}, err
	}
	x := m.Extension
	ms, err := strconv.ParseInt(x["rt"], 10, 64)
	address := x["src"]
	if address == "" {
		address = x["c6a2"]
	}
	epoch, sequence, _ := strings.Cut(x["PlanetScaleAuditLogNumber"], "/")
	return stated{epoch, sequence, []evidence.Facts{{
		Form: form(x["reason"] != "", x["cn1"] == "1"), ID: x["externalId"], Time: time.UnixMilli(ms), Action: x["act"], Actor: x["suid"],
		Address: address, Object: x["flexString1"], Container: x["flexString2"], Organization: x["deviceExternalId"],
		Hash: hashOf(x["PlanetScaleAuditLogEventSHA256"]),
	}}}, err
}

func readLEEF(r *sink.Record) (stated, error) {
	m, err := leeftest.Parse(string(r.Body))
	if err != nil {
		return stated{}, err
	}
	a := m.Attributes
	object, container := a["resourceId"], a["containerId"]
	if a["firstId"] != "" || a["secondId"] != "" {
		object, container = a["firstId"], a["secondId"]
	}
	ms, err := strconv.ParseInt(a["devTime"], 10, 64)
	return stated{a["epoch"], a["sequence"], []evidence.Facts{{
		Form: form(a["problem"] != "", a["truncated"] != ""), ID: a["eventId"], Time: time.UnixMilli(ms), Action: a["action"], Actor: a["actorId"],
		Address: a["src"], Object: object, Container: container, Organization: a["accountName"], Hash: hashOf(a["rawSha256"]),
	}}}, err
}

// readRaw takes the number and the organization from beside the body, where a sink has them.
func readRaw(r *sink.Record) (stated, error) {
	body := r.Body
	o, _ := decode(body)
	if wrapped, is := o["original_base64"].(string); is && len(o) == 1 {
		var b []byte
		if err := json.Unmarshal([]byte(strconv.Quote(wrapped)), &b); err != nil {
			return stated{}, err
		}
		body = b
		o, _ = decode(body)
	}
	text := func(key string) string {
		switch v := o[key].(type) {
		case string:
			return v
		case json.Number, bool:
			return fmt.Sprint(v)
		}
		return ""
	}
	whole := evidence.Facts{
		Form: evidence.Whole, ID: text("id"), Action: text("audit_action"), Actor: text("actor_id"), Address: text("remote_ip"),
		Object: text("auditable_id"), Container: text("target_id"), Organization: r.Organization, Hash: sha256.Sum256(body),
	}
	whole.Time, _ = time.Parse(time.RFC3339, text("created_at"))
	undecoded, nameless := whole, whole
	undecoded.Form, nameless.Form = evidence.Undecoded, evidence.Undecoded
	nameless.ID = fmt.Sprintf("sha256:%x", whole.Hash)
	return stated{fmt.Sprint(r.Epoch), fmt.Sprint(r.Sequence), []evidence.Facts{whole, undecoded, nameless}}, nil
}

// checkLeaf requires that the leaf of an event, and its number, can be computed from its
// record alone.
func checkLeaf(tb rapid.TB, f setup, o transform.Options, e source.Event) (r sink.Record, fits bool) {
	tb.Helper()
	o.Settings = f.settings
	encoder, err := f.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	r, err = encoder.Transform(nil, &e)
	if errors.Is(err, transform.ErrTooLarge) && o.MaxBytes > 0 {
		return r, false
	}
	if err != nil {
		tb.Fatalf("%s: %v", f.name, err)
	}
	got, err := readers[f.name](&r)
	if err != nil {
		tb.Fatalf("%s: %v\n%q", f.name, err, r.Body)
	}
	if epoch, sequence := corpus.Number(&e); got.epoch != epoch || got.sequence != sequence {
		tb.Errorf("%s: the record states epoch %s and sequence %s, want %s and %s", f.name, got.epoch, got.sequence, epoch, sequence)
	}
	facts := evidence.FactsOf(&e, r.Truncated)
	want := facts.Leaf()
	if !slices.ContainsFunc(got.readings, func(f evidence.Facts) bool { return f.Leaf() == want }) {
		tb.Errorf("%s: the record states %+v, the event has %+v\n%q", f.name, got.readings[0], facts, r.Body)
	}
	return r, true
}

// TestTheLeafOfEveryEventIsThatOfItsRecord is about the corpus, whole and with little room.
func TestTheLeafOfEveryEventIsThatOfItsRecord(t *testing.T) {
	for _, f := range numbered() {
		t.Run(f.name, func(t *testing.T) {
			forms := map[evidence.Form]int{}
			gap, err := source.NewGap(corpus.Product.Keys, corpus.Organization, "acme/siem", source.Interval{To: corpus.Typical().Time})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range append(events(), gap) {
				if e.Note != "" || f.name == "raw" && e.Gap && !bytes.Contains(e.Raw, []byte(corpus.Product.Keys.Action)) {
					continue // A note has no leaf, and gaps of the corpus are not as sources write them.
				}
				e.Number = source.Number{Epoch: 7, Sequence: 1<<63 - 1}
				for _, limit := range []int{0, 4000, 2500, 1600, 1200, 900, 800} {
					if r, fits := checkLeaf(t, f, corpus.Options(transform.Options{Original: true, Host: "forwarder-1", Version: "1.2.3", MaxBytes: limit}), e); fits {
						forms[evidence.FactsOf(&e, r.Truncated).Form]++
					}
				}
			}
			if forms[evidence.Whole] < 100 || forms[evidence.Undecoded] < 3 || f.name != "raw" && forms[evidence.Shortened] < 20 {
				t.Errorf("got %v, want more of each form", forms)
			}
		})
	}
}

// TestLeavesAtTheLimitsOfFormats draws each fact from values at the limits of a format, and
// from those that some format cannot state.
func TestLeavesAtTheLimitsOfFormats(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 400)
	text := rapid.SampledFrom([]string{
		"", "u1k9f3jd82ma", long[:40], long[:41], long[:63], long[:64], long[:65], long[:255], long[:256], long[:1024], long[:4001],
		" u1", "u1 ", "\tu1\u2028", "u1|", "|u1", "@u1", "u1@", "u@1", "@", "^", " ", "|", "\n", "u\n1", "u1\n", "u=1", `u\1`, `u"1`, "u1=", "u\x00", "\u202eu1",
		"ü1", "u 1", "?", "\ufffd", "name=value suid=u2", "u1\tactorId=u2", "System", "true", "17",
	})
	id := rapid.SampledFrom([]string{
		"q7x2mk9d0a4e", long[:39], long[:40], long[:41], long[:63], long[:64], long[:255], long[:256], long[:600],
		"sha256:" + long[:64], "sha256:" + long[:33], "sha256:" + long[:34], "sha256:" + long[:300], "a b", "a|b", "a=b", "ü", " q7", "gap:1", "own:x",
		"q7@x", "a\nb",
	})
	address := rapid.SampledFrom([]string{
		"", "203.0.113.77", "2001:DB8:0:0::7", "2001:db8::7", "::ffff:203.0.113.9", "fe80::1%eth0", "203.0.113.9:443", "localhost", "::", "1.2.3.4 ", "01.2.3.4",
	})
	when := rapid.SampledFrom([]string{
		"2026-03-14T15:09:26.535Z", "2026-03-14T15:09:26.535999999Z", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.0009Z", "9999-12-31T23:59:59.999Z",
		"1969-12-31T23:59:59.999Z", "0001-01-01T00:00:00Z", "2026-03-14T23:09:26.5Z",
	})
	action := rapid.OneOf(text, rapid.SampledFrom(append(corpus.Actions(), "sluice.gap", strings.Repeat("a", 31)+"."+strings.Repeat("b", 31))))
	kind := rapid.SampledFrom([]string{"", "User", "Database", "DeployRequest", "Team", "Organization", "OrganizationMembership", "ServiceToken"})
	rapid.Check(t, func(rt *rapid.T) {
		party := func(what string) source.Party {
			return source.Party{ID: text.Draw(rt, what), Type: kind.Draw(rt, what+" type"), Name: text.Draw(rt, what+" name")}
		}
		at, err := time.Parse(time.RFC3339, when.Draw(rt, "time"))
		if err != nil {
			rt.Fatal(err)
		}
		e := source.Event{
			ID: id.Draw(rt, "id"), Time: at, Read: at.AddDate(1, 0, 0), Action: action.Draw(rt, "action"),
			Actor: party("actor"), Objects: [2]source.Party{party("object"), party("container")}, RemoteIP: address.Draw(rt, "address"),
			Organization: rapid.SampledFrom([]string{"", "acme", long[:15], long[:16], long[:63], long[:64], long[:256]}).Draw(rt, "organization"),
			Problem:      rapid.SampledFrom([]string{"", "", "", "it is broken"}).Draw(rt, "problem"),
			Number:       source.Number{Epoch: 1, Sequence: rapid.Uint64Range(0, 1<<63-1).Draw(rt, "sequence")},
		}
		if rapid.Bool().Draw(rt, "one object twice") {
			e.Objects[1] = e.Objects[0]
		}
		k := corpus.Product.Keys
		e.Raw, err = source.RawOf(source.Member{Key: k.ID, Value: e.ID}, source.Member{Key: k.Time, Value: e.Time}, source.Member{Key: k.Action, Value: e.Action},
			source.Member{Key: k.Actor.ID, Value: e.Actor.ID}, source.Member{Key: k.Objects[0].ID, Value: e.Objects[0].ID},
			source.Member{Key: k.Objects[1].ID, Value: e.Objects[1].ID}, source.Member{Key: k.RemoteIP, Value: e.RemoteIP})
		if err != nil {
			rt.Fatal(err)
		}
		e.Raw = append(e.Raw, rapid.SampledFrom([]string{"", "\n", " "}).Draw(rt, "blank")...)
		limit := rapid.SampledFrom([]int{0, 6000, 3000, 2000, 1500, 1024, 900, 700}).Draw(rt, "limit")
		for _, f := range numbered() {
			checkLeaf(rt, f, corpus.Options(transform.Options{Original: rapid.Bool().Draw(rt, "original"), Host: "h", Version: "v", MaxBytes: limit}), e)
		}
	})
}

// TestEveryFactIsBound changes one fact of an event after another, and requires another leaf.
func TestEveryFactIsBound(t *testing.T) {
	e := corpus.Typical()
	facts := evidence.FactsOf(&e, false)
	changes := map[string]func(f *evidence.Facts){
		"form": func(f *evidence.Facts) { f.Form = evidence.Shortened }, "undecoded": func(f *evidence.Facts) { f.Form = evidence.Undecoded },
		"id": func(f *evidence.Facts) { f.ID += "x" }, "time": func(f *evidence.Facts) { f.Time = f.Time.Add(time.Millisecond) },
		"action": func(f *evidence.Facts) { f.Action += "x" }, "actor": func(f *evidence.Facts) { f.Actor += "x" },
		"address": func(f *evidence.Facts) { f.Address = "203.0.113.78" }, "no address": func(f *evidence.Facts) { f.Address = "x" },
		"object": func(f *evidence.Facts) { f.Object += "x" }, "container": func(f *evidence.Facts) { f.Container += "x" },
		"swapped": func(f *evidence.Facts) { f.Object, f.Container = f.Container, f.Object },
		"joined":  func(f *evidence.Facts) { f.Object, f.Container = f.Object+f.Container, "" },
		"odd":     func(f *evidence.Facts) { f.Actor += " " }, "long": func(f *evidence.Facts) { f.Actor = strings.Repeat(f.Actor, 6) },
		"organization": func(f *evidence.Facts) { f.Organization += "x" }, "hash": func(f *evidence.Facts) { f.Hash[31]++ },
	}
	leaves := map[evidence.Leaf]string{facts.Leaf(): "none"}
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		changed := facts
		changes[name](&changed)
		leaf := changed.Leaf()
		if other, seen := leaves[leaf]; seen && !(name == "long" && other == "odd" || name == "odd" && other == "long") {
			t.Errorf("the leaf does not bind %s: it is that of %s", name, other)
		}
		leaves[leaf] = name
	}
}
