package transform_test

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/cef"
	"github.com/sluice-siem/sluice/pkg/transform/internal/corpus"
	"github.com/sluice-siem/sluice/pkg/transform/leef"
)

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

// TestIdentityIsThereInTheSmallestRecord shortens records with long organizations, which a
// leaf binds even then.
func TestIdentityIsThereInTheSmallestRecord(t *testing.T) {
	for _, f := range numbered() {
		shortened := 0
		for _, organization := range []int{15, 16, 32, 33, 62, 63, 64, 65, 256, 2000} {
			e := corpus.Typical()
			e.Organization = strings.Repeat("o", organization)
			e.Actor.Name, e.Number.Epoch = strings.Repeat("a", 500), 1
			for limit := 600; limit < 9000; limit += 60 {
				if r, fits := checkLeaf(t, f, corpus.Options(transform.Options{Host: "h", Version: "v", MaxBytes: limit}), e); fits && r.Truncated {
					shortened++
				}
			}
		}
		if f.name != "raw" && shortened < 20 {
			t.Errorf("%s: only %d records were shortened", f.name, shortened)
		}
	}
}

// TestObjectsKeepTheirPlaces tries all roles that two objects can have, with ids that formats
// cannot state.
func TestObjectsKeepTheirPlaces(t *testing.T) {
	kinds := []string{"", "User", "Database", "DeployRequest", "Team", "Organization", "OrganizationMembership"}
	for _, f := range numbered() {
		if f.name == "raw" {
			continue // It has the keys of the source.
		}
		for _, first := range kinds {
			for _, second := range kinds {
				for _, ids := range [][2]string{{"a", "b"}, {"a", ""}, {"", "b"}, {"a", "a"}, {" a", "b"}, {"a", "b|"}, {"a", " "}, {"@", "b"}, {"a@1", "b"}, {"a", "b@1"}} {
					e := corpus.Typical()
					e.Objects = [2]source.Party{{ID: ids[0], Type: first}, {ID: ids[1], Type: second}}
					e.Number.Epoch = 1
					checkLeaf(t, f, corpus.Options(transform.Options{}), e)
				}
			}
		}
	}
}

// TestNoEventForgesANumberOrANote reads records of events without a number, and of those
// that carry notes, with any room. A note is whole or there is no record.
func TestNoEventForgesANumberOrANote(t *testing.T) {
	for _, f := range numbered() {
		t.Run(f.name, func(t *testing.T) {
			notes := 0
			for _, e := range events() {
				for _, limit := range []int{0, 4000, 2500, 2000, 1600, 1200, 900, 800} {
					encoder := open(t, f.Format, corpus.Options(transform.Options{Original: true, Host: "h", Version: "v", MaxBytes: limit, Settings: f.settings}))
					r, err := encoder.Transform(nil, &e)
					if limit > 0 && errors.Is(err, transform.ErrTooLarge) {
						continue
					}
					if err != nil {
						t.Fatal(err)
					}
					got, err := readers[f.name](&r)
					if err != nil {
						t.Fatalf("%v\n%q", err, r.Body)
					}
					if f.name == "raw" && e.Note == "" {
						got.note = "" // The key may be the source's own.
					}
					epoch, sequence := corpus.Number(&e)
					if got.epoch != epoch || got.sequence != sequence || got.note != e.Note {
						t.Errorf("limit %d: the record states %q/%q and the note %q, want %q/%q and %q\n%q", limit, got.epoch, got.sequence, got.note, epoch, sequence, e.Note, r.Body)
					}
					if e.Note != "" {
						notes++
					}
				}
			}
			if notes < 6 {
				t.Errorf("only %d notes fit", notes)
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
