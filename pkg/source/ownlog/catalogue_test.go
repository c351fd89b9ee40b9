package ownlog_test

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/source/ownlog"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// TestEveryActionHasAnEntry compares the catalogue with the actions in event.go, and those
// of events that a lane adds to any log.
func TestEveryActionHasAnEntry(t *testing.T) {
	own := ownlog.Type()
	if err := own.Validate(); err != nil {
		t.Error(err)
	}
	code, err := os.ReadFile("event.go")
	if err != nil {
		t.Fatal(err)
	}
	common, err := transform.ParseCatalogue([]byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	want := common.Actions()
	for _, found := range regexp.MustCompile(`Action = "(sluice\.[a-z_]+)"`).FindAllSubmatch(code, -1) {
		want = append(want, string(found[1]))
	}
	c, err := transform.ParseCatalogue(ownlog.Type().Catalogue)
	if err != nil {
		t.Fatal(err)
	}
	got := c.Actions()
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("actions (-code +catalogue):\n%s", diff)
	}
	for _, action := range got {
		if a := c.Lookup(action); !a.Mapped || a.Title == "" || a.Reason == "" || a.API.UID == 0 {
			t.Errorf("%s: %+v", action, *a)
		}
	}
}

// TestSeverities requires that what stops delivery is more severe than what changes nothing.
func TestSeverities(t *testing.T) {
	c, err := transform.ParseCatalogue(ownlog.Type().Catalogue)
	if err != nil {
		t.Fatal(err)
	}
	severity := func(a ownlog.Action) int { return c.Lookup(string(a)).Severity }
	for _, a := range []ownlog.Action{ownlog.CredentialRefused, ownlog.LaneUnready, ownlog.LanePaused, ownlog.DeadLetters, "sluice.gap"} {
		if got := severity(a); got < 7 {
			t.Errorf("%s has severity %d", a, got)
		}
	}
	for _, action := range c.Actions() {
		if a := ownlog.Action(action); a != ownlog.Heartbeat && severity(a) <= severity(ownlog.Heartbeat) {
			t.Errorf("%s is not more severe than the heartbeat", a)
		}
	}
}
