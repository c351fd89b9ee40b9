package app

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/evidence/verify"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/ecs"
)

// sealedExport returns an export of five records between two notes, and the public key.
func sealedExport(t *testing.T) (records []string, public string) {
	t.Helper()
	private, public, err := evidence.NewKey("acme")
	if err != nil {
		t.Fatal(err)
	}
	key, err := evidence.ParseKey(private)
	if err != nil {
		t.Fatal(err)
	}
	kind := planetscale.Type()
	catalogue, err := transform.ParseCatalogue(kind.Catalogue)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := ecs.Format.New(transform.Options{Original: true, Host: "h", Version: "1", Product: kind.Product, Catalogue: catalogue})
	if err != nil {
		t.Fatal(err)
	}
	add := func(e source.Event) {
		r, err := tr.Transform(nil, &e)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, string(r.Body))
	}
	state := evidence.New("acme", "acme/siem")
	state.Epoch = 1
	at := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	write := func(kindOf evidence.Kind, reason string) {
		err := state.Write(kindOf, at, func(n *evidence.Note) { n.Lane, n.Reason = "acme/siem", reason }, key)
		if err != nil {
			t.Fatal(err)
		}
		signed := state.Pending[len(state.Pending)-1]
		text, _, _ := strings.Cut(signed, "\n\n")
		n, err := evidence.ParseText(text + "\n")
		if err != nil {
			t.Fatal(err)
		}
		e, err := evidence.NewEvent(kind.Product.Keys, "acme", n, signed)
		if err != nil {
			t.Fatal(err)
		}
		add(e)
	}
	write(evidence.Open, "the log begins")
	for i := range uint64(5) {
		raw := fmt.Sprintf(`{"id":"e%d","audit_action":"database.created","action":"created","created_at":"2026-03-01T09:59:0%d.000Z"}`, i, i)
		events, err := kind.Parse([]byte(raw), "acme")
		if err != nil {
			t.Fatal(err)
		}
		e := events[0]
		e.Number = source.Number{Epoch: 1, Sequence: i}
		facts := evidence.FactsOf(&e, false)
		state.Append(facts.Leaf())
		add(e)
	}
	write(evidence.Seal, "")
	return records, public
}

func TestVerify(t *testing.T) {
	records, public := sealedExport(t)
	_, other, err := evidence.NewKey("other")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	whole := strings.Join(records, "\n") + "\n"
	altered := strings.Replace(strings.Join(append(append([]string(nil), records[:3]...), records[4:]...), "\n"), `"id":"e1"`, `"id":"x1"`, 2)
	key, wrong := file("acme.pub", public+"\n"), file("other.pub", other)
	page := filepath.Join(dir, "report.html")
	for _, c := range []struct {
		name, stdin string
		args        []string
		code        int
		want        []string
	}{
		{"a clean export", "", []string{"--key", key, file("a.json", whole)}, 0, []string{
			"clean: 5 records, and each is as it was delivered", "7 records read: 5 as delivered, 2 notes",
			"notes 0 to 1, from 2026-03-01T10:00:00Z to 2026-03-01T10:00:00Z", "opened at 2026-03-01T10:00:00Z as epoch 1, after 0 records: the log begins",
		}},
		{"the standard input", whole, []string{"--key", key, "-"}, 0, []string{"clean: 5 records"}},
		{"a directory", "", []string{"--key", key, filepath.Dir(file("export/a.json", whole))}, 0, []string{"clean: 5 records"}},
		{"one record changed and one gone", altered, []string{"--key", key, "-"}, 1, []string{
			"findings: 1 record missing, 1 altered", "record 2, between events of 2026-03-01T09:59:00Z and 2026-03-01T09:59:03Z",
			"record 1, event x1, of 2026-03-01T09:59:01Z at -:3",
		}},
		{"the end of the log", whole, []string{"--key", key, "--until", "2026-03-01T11:00:00Z", "-"}, 1, []string{
			"findings: 1 cut tail", "records and notes after it are missing, or the lane did not run",
		}},
		{"another key", whole, []string{"--key", wrong, "-"}, 2, []string{
			"nothing could be verified: no note is signed by a key that was given; they are signed by acme",
		}},
		{"no record", "hello\n", []string{"--key", key, "-"}, 2, []string{"nothing could be verified: there is no record of Sluice", "1 line of text of another form, the first at -:1"}},
		{"no key", "", []string{"-"}, 2, []string{"error: no key", "hint: write --key NAME.pub"}},
		{"a file that is no key", "", []string{"--key", file("no.pub", "x"), "-"}, 2, []string{"hint: the file must have the one line"}},
		{"no file", "", []string{"--key", key, filepath.Join(dir, "missing")}, 2, []string{"no such file"}},
		{"as JSON", altered, []string{"--key", key, "--json", "--html", page, "-"}, 1, []string{`"verdict": "findings"`, `"kind": "altered"`}},
	} {
		var out strings.Builder
		code := execute(t.Context(), append([]string{"verify"}, c.args...), strings.NewReader(c.stdin), &out, &out)
		if code != c.code {
			t.Errorf("%s: got exit code %d, want %d: %s", c.name, code, c.code, out.String())
		}
		for _, want := range c.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: got %s, want %q in it", c.name, out.String(), want)
			}
		}
	}
	text, err := os.ReadFile(page)
	if err != nil || !strings.Contains(string(text), "event x1") || strings.Contains(string(text), "<script") {
		t.Errorf("the page is %.300s, %v", text, err)
	}
}

// A hostile export controls no terminal, and no page.
func TestVerifyShowsHostileTextAsText(t *testing.T) {
	r := &verify.Report{Verdict: verify.Findings, Totals: map[verify.Kind]int{verify.Forged: 1}, Findings: []verify.Finding{
		{Kind: verify.Forged, ID: "\x1b[31m<script>alert(1)</script>\u202e", Place: verify.Place{Name: "a\nb", Line: 1}},
	}}
	var text, page strings.Builder
	if err := writeReport(&text, r); err != nil {
		t.Fatal(err)
	}
	if err := r.HTML(&page); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(text.String(), "\x1b\u202e") || strings.Contains(text.String(), "a\nb") || strings.Contains(page.String(), "<script") {
		t.Errorf("got %q and %q", text.String(), page.String())
	}
}

func TestReadingLine(t *testing.T) {
	for _, c := range []struct {
		read, total int64
		width       int
		want        string
	}{
		{5 << 20, 10 << 20, 80, "[====================                    ]  50% read 1,234 records, 5 MiB"},
		{5 << 20, 0, 80, "read 1,234 records, 5 MiB"},
		{20 << 20, 10 << 20, 40, "100% read 1,234 records, 20 MiB"},
	} {
		if got := readingLine(c.read, c.total, 1234, c.width); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// The report as JSON has the names that docs and scripts use.
func TestVerifyAsJSON(t *testing.T) {
	records, public := sealedExport(t)
	c, err := verify.New([]string{public}, verify.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := verify.NewParser([]source.Type{planetscale.Type()})
	if err := p.Read(t.Context(), c, "export", strings.NewReader(strings.Join(records, "\n"))); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(c.Report())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"verdict":"clean"`, `"good":5`, `"kind":"opening"`, `"logs":[{"origin":"sluice/acme/acme/siem/`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("got %s, want %s in it", text, want)
		}
	}
}
