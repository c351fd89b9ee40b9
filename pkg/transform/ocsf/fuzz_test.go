package ocsf_test

import (
	"testing"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/internal/corpus"
	"github.com/sluice-siem/sluice/pkg/transform/ocsf"
)

func FuzzOCSF(f *testing.F) {
	facts := readFacts(f)
	corpus.Fuzz(f, ocsf.Format, []any{nil, iam.Settings}, func(t *testing.T, o transform.Options, e source.Event, body []byte) {
		got, err := facts.judge(body)
		if err != nil {
			t.Fatalf("%v\n%s", err, body)
		}
		checkCopies(t, o, e, got)
	})
}
