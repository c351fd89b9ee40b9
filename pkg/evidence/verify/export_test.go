package verify_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/evidence/verify"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// verifyFile reads an export of a history.
func (h *history) verifyFile(t *testing.T, p *verify.Parser, text string) *verify.Report {
	t.Helper()
	c, err := verify.New(h.publicKeys(), verify.Options{Until: h.now})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Read(t.Context(), c, "export", strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	return c.Report()
}

// Each format verifies in each form of export, and a record that is missing is told.
func TestExportsOfAllForms(t *testing.T) {
	p := verify.NewParser(types)
	for _, f := range formats {
		forms := map[string]func([]sink.Record, []string) string{}
		add := func(more map[string]func([]sink.Record, []string) string) {
			for name, form := range more {
				forms[name] = form
			}
		}
		add(exports)
		switch f.format.Name {
		case "ecs":
			forms["a table of fields"] = documentTable
			fallthrough
		case "ocsf":
			add(jsonExports)
			add(lineExports)
		case "cef", "leef":
			add(lineExports)
		}
		for name, form := range forms {
			t.Run(f.name+" as "+name, func(t *testing.T) {
				h := newHistoryIn(transformer(t, f.format, f.original, f.settings), uint64(len(f.name)+len(name)), 60)
				for seed := uint64(100); h.unique() < 0; seed++ {
					h = newHistoryIn(h.format, seed, 60)
				}
				records, lanes := h.records(t)
				r := h.verifyFile(t, p, form(records, lanes))
				if r.Verdict != verify.Clean || len(r.Foreign) > 0 || r.Counts.Records != int64(len(records)) {
					t.Fatalf("%s: %d of %d records, foreign %+v, %d findings%s", r.Verdict, r.Counts.Records, len(records), r.Foreign, len(r.Findings), firstOf(r))
				}
				victim := h.unique()
				kept := append(append([]sink.Record(nil), records[:victim]...), records[victim+1:]...)
				r = h.verifyFile(t, p, form(kept, append(append([]string(nil), lanes[:victim]...), lanes[victim+1:]...)))
				if len(r.Findings) != 1 || r.Findings[0].Kind != verify.Missing || *r.Findings[0].Sequence != h.shipped[victim].event.Number.Sequence {
					t.Fatalf("without record %v: %d findings%s", h.shipped[victim].event.Number, len(r.Findings), firstOf(r))
				}
			})
		}
	}
}

func firstOf(r *verify.Report) string {
	if len(r.Findings) == 0 {
		return ""
	}
	return ": " + show(r.Findings[0])
}

// unique returns a record that no other one could stand for, even one without its number;
// -1 if there is none.
func (h *history) unique() int {
	e := &export{history: h, claims: h.claims(true), gone: map[int]bool{}, used: map[string]bool{}}
	copies := map[[32]byte]int{}
	for i := range h.shipped {
		copies[h.shipped[i].event.Sum()]++
	}
	victims := slices.DeleteFunc(e.victims(), func(i int) bool { return copies[h.shipped[i].event.Sum()] > 1 })
	if len(victims) == 0 {
		return -1
	}
	return victims[len(victims)/2]
}

// A record without its number is found by what it says: some exports lose what a
// destination keeps beside it.
func TestRecordsWithoutNumbers(t *testing.T) {
	p := verify.NewParser(types)
	tr := transformer(t, formats[len(formats)-1].format, false, nil)
	for seed := range uint64(20) {
		h := newHistoryIn(tr, seed, 60)
		if len(h.lanes) > 1 {
			continue
		}
		records, _ := h.records(t)
		r := h.verifyFile(t, p, lines(records))
		if r.Verdict != verify.Clean || r.Counts.ByContent == 0 {
			t.Errorf("%d: %s; %+v%s", seed, r.Verdict, r.Counts, firstOf(r))
		}
	}
}

// Lines that are no records are counted, and named.
func TestForeignLines(t *testing.T) {
	p := verify.NewParser(types)
	h := newHistoryIn(transformer(t, formats[0].format, true, nil), 1, 20)
	records, _ := h.records(t)
	text := "\nhello\n" + lines(records) + `{"a":1}` + "\nCEF:0|Acme|Vault|1|x|x|3|rt=1\n{\"@timestamp\":\n"
	r := h.verifyFile(t, p, text)
	got := map[string]int64{}
	for _, f := range r.Foreign {
		got[f.Why] = f.First.Line
	}
	n := int64(len(records))
	want := map[string]int64{
		"text of another form": 2, "JSON of another form": 3 + n, "CEF of Acme Vault": 4 + n, "text that is not whole JSON": 5 + n,
	}
	if fmt.Sprint(got) != fmt.Sprint(want) || r.Verdict != verify.Clean {
		t.Errorf("got %v, want %v; %s", got, want, r.Verdict)
	}
}
