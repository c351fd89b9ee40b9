package posting_test

import (
	"testing"

	"github.com/sluice-siem/sluice/pkg/sink/internal/posting"
)

// A status that HTTP does not have delivers nothing, not even one that is the number of a
// class.
func TestNoStatusOutsideHTTPDelivers(t *testing.T) {
	for _, status := range []int{0, 2, 3, 20, 99, 100, 199, 300, 600, 999} {
		if got := posting.Common.Judge(status).Verdict; got != posting.Destination {
			t.Errorf("status %03d: verdict %d, want Destination", status, got)
		}
	}
}
