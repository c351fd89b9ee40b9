package transform_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/internal/corpus"
)

// TestWhatNobodyExpectsIsDelivered encodes events that the API is not known to send, in
// every format. Each record must say whether its action is unknown, and when the event
// happened if that is known.
func TestWhatNobodyExpectsIsDelivered(t *testing.T) {
	unmapped := map[string]bool{
		"unknown-verb": true, "unknown-resource": true, "unknown-action": true, "huge-everything": true,
		"undecodable-text": true, "undecodable-bytes": true, "undecodable-number": true, "undecodable-nothing": true,
		"unknown-types": false, "metadata-array": false, "metadata-string": false, "time-unreadable": false, "ordinary": false,
	}
	known := corpus.Cases()
	for name := range unmapped {
		if !slices.ContainsFunc(known, func(c corpus.Case) bool { return c.Name == name }) {
			t.Errorf("the corpus has no %s", name)
		}
	}
	for _, f := range formats {
		encoder := open(t, f.Format, corpus.Options(transform.Options{Original: true, Settings: f.settings}))
		for _, c := range known {
			r, err := encoder.Transform(nil, &c.Event)
			if err != nil {
				t.Errorf("%s as %s: %v", c.Name, f.name, err)
				continue
			}
			if r.Unmapped != unmapped[c.Name] {
				t.Errorf("%s as %s: got unmapped %v", c.Name, f.name, r.Unmapped)
			}
			if r.Time.Year() < 1970 || r.Time.Year() > 9999 {
				t.Errorf("%s as %s: happened at %v", c.Name, f.name, r.Time)
			}
			if problem := c.Event.Problem; problem != "" && f.name != "raw" && !strings.Contains(string(r.Body), problem[:10]) {
				t.Errorf("%s as %s: the record does not hold %q", c.Name, f.name, problem)
			}
		}
	}
}
