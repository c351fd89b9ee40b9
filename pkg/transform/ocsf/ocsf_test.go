package ocsf_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/internal/golden"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/internal/corpus"
	"github.com/sluice-siem/sluice/pkg/transform/ocsf"
)

var (
	full = corpus.Options(transform.Options{Original: true, Host: "forwarder-1", Version: "1.2.3"})
	iam  = corpus.Options(transform.Options{Original: true, Host: "forwarder-1", Version: "1.2.3", Settings: &ocsf.Settings{Classes: "iam"}})
)

func open(tb testing.TB, o transform.Options) transform.Transformer {
	tb.Helper()
	return corpus.Open(tb, ocsf.Format, o)
}

func encode(tb testing.TB, o transform.Options, e source.Event) sink.Record {
	tb.Helper()
	return corpus.Encode(tb, ocsf.Format, o, e)
}

// parse encodes an event, checks the record against the schema, and returns it.
func parse(tb testing.TB, o transform.Options, e source.Event) object {
	tb.Helper()
	r := encode(tb, o, e)
	got, err := readFacts(tb).judge(r.Body)
	if err != nil {
		tb.Fatalf("%v\n%s", err, r.Body)
	}
	checkCopies(tb, o, e, got)
	return got
}

// checkCopies requires that the attributes which copy the event equal it.
func checkCopies(tb testing.TB, o transform.Options, e source.Event, got object) {
	tb.Helper()
	want := map[string]string{
		"metadata.uid":        clean(e.ID),
		"metadata.tenant_uid": clean(e.Organization),
		"raw_data_hash.value": fmt.Sprintf("%x", sha256.Sum256(e.Raw)),
		"raw_data":            "",
	}
	whole := got.at("metadata.is_truncated") == nil
	epoch, sequence := corpus.Number(&e)
	want["unmapped.sluice.note"] = e.Note
	if epoch != "" {
		for path, value := range map[string]string{"unmapped.sluice.epoch": epoch, "metadata.sequence": sequence} {
			if got := number(got, path); got != value {
				tb.Errorf("%s: got %s, want %s", path, got, value)
			}
		}
	} else if got.at("unmapped.sluice.epoch") != nil || got.at("metadata.sequence") != nil || got.at("unmapped.sluice.objects") != nil {
		tb.Error("a record without a number has one")
	}
	if o.Original && whole && e.Note == "" {
		want["raw_data"] = clean(string(e.Raw))
		want["unmapped.sluice.original_base64"] = ""
		if !utf8.Valid(e.Raw) {
			want["unmapped.sluice.original_base64"] = base64.StdEncoding.EncodeToString(e.Raw)
		}
	}
	if whole {
		want["metadata.event_code"] = clean(e.Action)
		want["metadata.debug[0]"] = clean(corpus.Problem(&e))
		want["unmapped.action"] = clean(e.Verb)
		want["unmapped.location"] = clean(e.Location)
		want["unmapped.metadata"] = clean(string(e.Metadata))
	}
	for path, value := range want {
		if got := got.text(path); got != value {
			tb.Errorf("%s: got %q, want %q", path, got, value)
		}
	}
	if got, want := fmt.Sprint(got["raw_data_size"]), fmt.Sprint(len(e.Raw)); got != want {
		tb.Errorf("raw_data_size: got %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(got["time"]), fmt.Sprint(transform.Time(&e).UnixMilli()); got != want {
		tb.Errorf("time: got %s, want %s", got, want)
	}
}

// clean returns a text as JSON can hold it: each byte that is not UTF-8 becomes U+FFFD.
func clean(s string) string { return string([]rune(s)) }

func TestGolden(t *testing.T) {
	for _, c := range slices.Concat(corpus.Cases(), corpus.EvidenceCases()) {
		t.Run(c.Name, func(t *testing.T) {
			parse(t, full, c.Event)
			golden.Check(t, "golden/"+c.Name+".json", indented(t, full, c.Event))
		})
	}
}

// TestOwnLog requires that the events of Sluice's own log are records of the schema.
func TestOwnLog(t *testing.T) {
	o := corpus.OwnOptions(full)
	for _, c := range corpus.OwnCases() {
		t.Run(c.Name, func(t *testing.T) {
			body := corpus.Encode(t, ocsf.Format, o, c.Event).Body
			if _, err := readFacts(t).judge(body); err != nil {
				t.Errorf("%v\n%s", err, body)
			}
			var shown bytes.Buffer
			if err := json.Indent(&shown, body, "", "  "); err != nil {
				t.Fatal(err)
			}
			golden.Check(t, "golden/"+c.Name+".json", shown.String()+"\n")
		})
	}
}

func TestGoldenWithClassesOfIAM(t *testing.T) {
	for _, c := range slices.Concat(corpus.Cases(), corpus.EvidenceCases()) {
		t.Run(c.Name, func(t *testing.T) {
			got := indented(t, iam, c.Event)
			if class := number(parse(t, iam, c.Event), "category_uid"); class == "3" {
				golden.Check(t, "golden/iam/"+c.Name+".json", got)
			} else if diff := cmp.Diff(indented(t, full, c.Event), got); diff != "" {
				t.Errorf("records of API Activity differ between the settings (-api +iam):\n%s", diff)
			}
		})
	}
}

func indented(t *testing.T, o transform.Options, e source.Event) string {
	var b bytes.Buffer
	if err := json.Indent(&b, encode(t, o, e).Body, "", "  "); err != nil {
		t.Fatal(err)
	}
	return b.String() + "\n"
}

func number(o object, path string) string { return fmt.Sprint(o.at(path)) }

func TestEveryActionIsValidWithAnyObjects(t *testing.T) {
	objects := []source.Party{
		{}, {Type: "User", ID: "u1", Name: "ada@example.com"}, {Type: "OrganizationTeam", ID: "t1"}, {Type: "Organization", Name: "acme"},
		{Type: "OrganizationMembership", ID: "m1"}, {Type: "ServiceToken", ID: "s1", Name: "ci"}, {Type: "Flux"}, {ID: "x"},
	}
	facts := readFacts(t)
	for _, o := range []transform.Options{full, iam} {
		tr := open(t, o)
		for i, action := range append(corpus.Actions(), "", "unheard.of", "user.unheard", "organization_team.unheard") {
			if testing.Short() && i%8 > 0 {
				continue
			}
			for _, auditable := range objects {
				for _, target := range objects {
					e := corpus.Typical()
					_, e.Verb, _ = strings.Cut(action, ".")
					e.Action, e.Objects[0], e.Objects[1], e.Actor = action, auditable, target, auditable
					r, err := tr.Transform(nil, &e)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := facts.judge(r.Body); err != nil {
						t.Fatalf("%s: %v\n%s", action, err, r.Body)
					}
				}
			}
		}
	}
}

func TestRecord(t *testing.T) {
	corpus.CheckRecord(t, ocsf.Format, full, sink.Record{Format: "ocsf", MediaType: "application/json", Object: true})
}

func TestWithoutOrganization(t *testing.T) {
	e := corpus.Typical()
	e.Organization = ""
	fields{"cloud.provider": "PlanetScale", "cloud.account": "", "cloud.org": "", "metadata.tenant_uid": ""}.check(t, parse(t, full, e))
}

func TestWithoutHostAndVersion(t *testing.T) {
	got := parse(t, corpus.Options(transform.Options{}), corpus.Typical())
	fields{
		"metadata.loggers[0].name": "Sluice", "metadata.loggers[0].uid": "", "metadata.loggers[0].product.version": "",
		"raw_data": "",
	}.check(t, got)
}

func TestWithoutOriginal(t *testing.T) {
	for _, c := range corpus.Cases() {
		got := parse(t, corpus.Options(transform.Options{Host: "h", Version: "v"}), c.Event)
		fields{"raw_data": "", "unmapped.sluice.original_base64": "", "metadata.is_truncated": ""}.check(t, got)
	}
}

func TestLimit(t *testing.T) {
	e := corpus.Typical()
	whole := len(encode(t, full, e).Body)
	e.Location = strings.Repeat("\u0000€", 1500)
	e.ID = "sha256:" + strings.Repeat("0123456789abcdef", 4) // It is never shortened; parse checks that.
	long := len(encode(t, full, e).Body)
	for _, tt := range []struct {
		words string
		limit int
		want  string
	}{
		{"what fits is whole", long, ""},
		{"the original goes first", long - 1, "[raw_data]"},
		{"then metadata", long - len(e.Raw)*5/4, "[raw_data unmapped.metadata]"},
		{"then long values are shortened", 7000, "[raw_data unmapped.metadata values]"},
		{"and shortened more", whole - len(e.Raw), "[raw_data unmapped.metadata values]"},
	} {
		t.Run(tt.words, func(t *testing.T) {
			o := full
			o.MaxBytes = tt.limit
			r := encode(t, o, e)
			if got := len(r.Body); got > tt.limit {
				t.Errorf("%d bytes, limit %d", got, tt.limit)
			}
			if want := tt.want != ""; r.Truncated != want {
				t.Errorf("the record says truncated: %t, want %t", r.Truncated, want)
			}
			want := fields{"unmapped.sluice.truncated": tt.want, "metadata.is_truncated": ""}
			if r.Truncated {
				want["metadata.is_truncated"] = "true"
			}
			want.check(t, parse(t, o, e))
		})
	}
	t.Run("what cannot fit is an error", func(t *testing.T) {
		o := full
		o.MaxBytes = 600
		_, err := open(t, o).Transform(nil, &e)
		if !errors.Is(err, transform.ErrTooLarge) || !strings.Contains(err.Error(), e.ID) {
			t.Errorf("got error %v, want ErrTooLarge that names the event", err)
		}
	})
	t.Run("a negative limit is refused", func(t *testing.T) {
		if _, err := ocsf.Format.New(transform.Options{MaxBytes: -1}); err == nil || !strings.Contains(err.Error(), "largest record: -1 bytes is negative") {
			t.Errorf("got %v, want an error that the limit is negative", err)
		}
	})
}

func TestSettings(t *testing.T) {
	for classes, want := range map[string]string{
		"api": "", "iam": "", "": `classes: "" is not known; write api or iam`, "IAM": `classes: "IAM" is not known; write api or iam`,
	} {
		if got := errors.Join(ocsf.Settings{Classes: classes}.Validate()...); message(got) != want {
			t.Errorf("%q: got %v, want %q", classes, got, want)
		}
	}
	if got := *ocsf.Format.Settings().(*ocsf.Settings); got != (ocsf.Settings{Classes: "api"}) {
		t.Errorf("defaults: %+v", got)
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestAppendsToTheBufferItIsGiven(t *testing.T) { corpus.CheckAppends(t, ocsf.Format, full) }

func TestAllocations(t *testing.T) {
	for _, c := range corpus.Cases() {
		if c.Name == "time-unreadable" {
			continue // The error of time.Parse allocates.
		}
		for _, o := range []transform.Options{full, iam} {
			tr := open(t, o)
			dst := make([]byte, 0, 64<<10)
			got := testing.AllocsPerRun(20, func() {
				if _, err := tr.Transform(dst, &c.Event); err != nil {
					t.Fatal(err)
				}
			})
			if got > 2 {
				t.Errorf("%s: %v allocations, want at most 2", c.Name, got)
			}
		}
	}
}

func BenchmarkTransform(b *testing.B) {
	for _, original := range []bool{true, false} {
		b.Run(fmt.Sprintf("original=%v", original), func(b *testing.B) {
			o := full
			o.Original = original
			tr := open(b, o)
			e := corpus.Typical()
			dst := make([]byte, 0, 8192)
			b.SetBytes(int64(len(e.Raw)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tr.Transform(dst, &e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
