package transform_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/cef"
	"github.com/sluice-siem/sluice/pkg/transform/ecs"
	"github.com/sluice-siem/sluice/pkg/transform/internal/corpus"
	"github.com/sluice-siem/sluice/pkg/transform/leef"
	"github.com/sluice-siem/sluice/pkg/transform/ocsf"
	"github.com/sluice-siem/sluice/pkg/transform/raw"
)

// formats are the formats and settings that are tested, with the names of their golden
// files.
var formats = []struct {
	name string
	transform.Format
	settings any
}{
	{"ecs", ecs.Format, nil},
	{"cef", cef.Format, nil},
	{"cef-1", cef.Format, &cef.Settings{Version: 1}},
	{"leef", leef.Format, nil},
	{"ocsf", ocsf.Format, nil},
	{"ocsf-iam", ocsf.Format, &ocsf.Settings{Classes: "iam"}},
	{"raw", raw.Format, nil},
}

// events returns the corpus and an event for each action.
func events() []source.Event {
	var all []source.Event
	for _, c := range slices.Concat(corpus.Cases(), corpus.ActionCases(), corpus.EvidenceCases()) {
		all = append(all, c.Event)
	}
	return all
}

// TestEveryFieldIsExplained requires a rule for each field that a format writes, also in
// records from which something was left out.
func TestEveryFieldIsExplained(t *testing.T) {
	for _, f := range formats {
		t.Run(f.name, func(t *testing.T) {
			tiny := open(t, f.Format, corpus.Options(transform.Options{Host: "h", Version: "v", Original: true, Settings: f.settings, MaxBytes: 3000}))
			whole := open(t, f.Format, corpus.Options(transform.Options{Host: "h", Version: "v", Original: true, Settings: f.settings}))
			explained := 0
			for _, e := range events() {
				for _, encoder := range []transform.Transformer{tiny, whole} {
					r, err := encoder.Transform(nil, &e)
					if err != nil && encoder == tiny {
						continue
					}
					if err != nil {
						t.Fatal(err)
					}
					fields, err := f.Explain(&corpus.Product, r.Body)
					if err != nil {
						t.Fatal(err)
					}
					for _, field := range fields {
						explained++
						if field.Rule == "" {
							t.Errorf("no rule for %s, which holds %s", field.Name, field.Value)
						}
					}
				}
			}
			if explained < len(corpus.Actions()) {
				t.Errorf("only %d fields were explained", explained)
			}
		})
	}
}

// TestOrdinaryEventsFitTheLeastLimit encodes every action within the least limit that a
// format names. Within half of that limit, at least one of them must not fit.
func TestOrdinaryEventsFitTheLeastLimit(t *testing.T) {
	for _, f := range formats {
		if f.Least == 0 {
			continue // It leaves nothing out, so it has no least limit.
		}
		t.Run(f.name, func(t *testing.T) {
			o := corpus.Options(transform.Options{Host: "forwarder-1.example.com", Version: "1.2.3", Original: true, Settings: f.settings, MaxBytes: f.Least})
			least, tooLittle := open(t, f.Format, o), false
			o.MaxBytes = f.Least / 2
			half := open(t, f.Format, o)
			for _, c := range corpus.ActionCases() {
				if _, err := least.Transform(nil, &c.Event); err != nil {
					t.Errorf("%s: %v", c.Name, err)
				}
				if _, err := half.Transform(nil, &c.Event); err != nil {
					tooLittle = true
				}
			}
			if !tooLittle {
				t.Error("every action fits half of the least limit, so the limit is too high")
			}
		})
	}
}

func TestExplainJSON(t *testing.T) {
	explain := transform.ExplainJSON(map[string]string{"a.b": "one", "c[].d": "two", "e": "three", "f": "four"})
	got, err := explain(&corpus.Product, []byte(`{"a":{"b":"x, y","g":{}},"c":[{"d":1},{"d":[2]}],"e":[],"f":["u","v"],"h\u0069":null}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []transform.Field{
		{Name: "a.b", Value: `"x, y"`, Rule: "one"},
		{Name: "c[0].d", Value: "1", Rule: "two"}, {Name: "c[1].d", Value: "[2]", Rule: "two"},
		{Name: "e", Value: "[]", Rule: "three"}, {Name: "f", Value: `["u","v"]`, Rule: "four"}, {Name: "hi", Value: "null"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}

func open(t *testing.T, f transform.Format, o transform.Options) transform.Transformer {
	t.Helper()
	encoder, err := f.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return encoder
}
