package verify_test

import (
	"bytes"
	"testing"

	"github.com/sluice-siem/sluice/pkg/evidence/verify"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/ecs"
	"github.com/sluice-siem/sluice/pkg/transform/ocsf"
)

// An event that is not UTF-8 is in its record twice, as text and in base64. The bytes are
// what it is compared with.
func TestARecordOfAnEventThatIsNotUTF8(t *testing.T) {
	for _, format := range []transform.Format{ecs.Format, ocsf.Format} {
		p := verify.NewParser(types)
		if err := p.MapAgain(verify.Mapping{Formats: []transform.Format{format}, Version: "1.2.3"}); err != nil {
			t.Fatal(err)
		}
		raw := []byte("{\"id\":\"a1\",\"actor_id\":\"u1\",\"audit_action\":\"database.created\",\"action\":\"created\",\"location\":\"cut rune \xe2\x82\",\"created_at\":\"2026-03-01T09:59:00.000Z\"}")
		events, err := parse(raw, organization)
		if err != nil || len(events) != 1 || events[0].Problem != "" {
			t.Fatalf("got %+v, %v", events, err)
		}
		events[0].Number = source.Number{Epoch: 1}
		r, err := transformer(t, format, true, nil).Transform(nil, &events[0])
		if err != nil {
			t.Fatal(err)
		}
		if c, err := p.Record(r.Body, verify.Beside{}); err != nil || c.Contradiction != "" {
			t.Errorf("%s: got %q, %v", format.Name, c.Contradiction, err)
		}
		altered := bytes.Replace(r.Body, []byte(`"u1"`), []byte(`"u2"`), 1)
		if c, err := p.Record(altered, verify.Beside{}); err != nil || c.Contradiction == "" {
			t.Errorf("%s: an altered field is not told: %v", format.Name, err)
		}
	}
}
