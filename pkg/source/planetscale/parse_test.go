package planetscale_test

import (
	"fmt"
	"testing"

	"github.com/sluice-siem/sluice/pkg/source/planetscale"
)

// The position counts from the beginning of what was read, not of what Parse puts around it.
func TestParseSaysWhereAnEventIsNotJSON(t *testing.T) {
	const cut = "the event is not JSON: it ends after %d bytes, before it is complete"
	for text, want := range map[string]string{
		`{"id":"a"}`:        "<nil>",
		`{"id":"a","x":`:    fmt.Sprintf(cut, 14),
		`{"id":"a","x":"b`:  fmt.Sprintf(cut, 16),
		`{`:                 fmt.Sprintf(cut, 1),
		`"id":"a",`:         `the event is not JSON: invalid character ':' after top-level value, at byte 4`,
		`{"id":"a"} {"id":`: `the event is not JSON: invalid character '{' after top-level value, at byte 11`,
	} {
		events, err := planetscale.Parse([]byte(text), "acme")
		if got := fmt.Sprint(err); got != want {
			t.Errorf("%s: got %v and %d events, want %s", text, got, len(events), want)
		}
	}
}
