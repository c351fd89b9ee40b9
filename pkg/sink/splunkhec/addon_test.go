package splunkhec

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/sluice-siem/sluice/pkg/source/planetscale"
)

// TestAddOnKnowsIndexedFields: Splunk treats a field as indexed in a search only if
// fields.conf names it.
func TestAddOnKnowsIndexedFields(t *testing.T) {
	text, err := os.ReadFile("../../../configs/splunk/TA-sluice/default/fields.conf")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range regexp.MustCompile(`(?m)^\[(.*)\]\nINDEXED = true$`).FindAllSubmatch(text, -1) {
		got = append(got, string(m[1]))
	}
	if want := []string{fieldID, fieldOrganization, fieldAction, fieldReplayed, fieldOwnToken, fieldEpoch, fieldSequence}; !slices.Equal(got, want) {
		t.Errorf("fields.conf has %q, want %q", got, want)
	}
}

func TestAddOnIsForTheDefaultSourcetype(t *testing.T) {
	text, err := os.ReadFile("../../../configs/splunk/TA-sluice/default/props.conf")
	if err != nil {
		t.Fatal(err)
	}
	sourcetype := defaultSourcetype(planetscale.Type().Product.Dataset)
	if !regexp.MustCompile(`(?m)^\[` + regexp.QuoteMeta(sourcetype) + `\]$`).Match(text) {
		t.Errorf("props.conf has nothing about %s", sourcetype)
	}
}
