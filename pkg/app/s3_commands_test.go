package app

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/objectstore/objectstoretest"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// What the commands do with a lane whose position and dead letters are in a bucket.
func TestCommandsWithABucket(t *testing.T) {
	api := httptest.NewServer(simulator.New(simulator.Config{Seed: 5, Events: 30}))
	defer api.Close()
	const second = "2006-01-02T15:04:05Z"
	made := time.Now().UTC()
	replay := "replay --sink archive --yes --from " + made.Add(-10*time.Second).Format(second) + " --to " + made.Format(second)
	store := objectstoretest.New()
	bucket := httptest.NewServer(objectstoretest.Server{Store: store})
	defer bucket.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "sluice.yaml")
	text := func(name string) string {
		return fmt.Sprintf(`
sources: [{name: acme, type: planetscale, settings: {organization: %s, url: %q, access_token: any}}]
state: {settings: {dir: %q}}
sinks: [{name: %s, type: s3, own_events: false, settings: {bucket: %s, region: %s, endpoint: %q, path_style: true, access_key_id: %s, secret_access_key: %s}}]
admin: {listen: "127.0.0.1:0"}
`, "acme", api.URL, filepath.Join(dir, "state"), name, objectstoretest.BucketName, objectstoretest.BucketRegion, bucket.URL, objectstoretest.KeyID, objectstoretest.Secret)
	}
	write := func(name string) {
		if err := os.WriteFile(file, []byte(text(name)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("archive")
	for _, step := range []struct {
		args    string
		exit    int
		prints  string
		objects int // with records, after it
	}{
		{"check", 0, "whether it may be written shows with the first object", 0},
		{"run --once", 0, "", 1},
		{"run --once", 0, "", 1}, // nothing is delivered twice
		{"checkpoint list", 0, "acme/archive", 1},
		{"check", 0, "exactly once: 1 objects of the lane so far", 1},
		{"check --send-test", 0, "published", 2},
		{"checkpoint set --to beginning acme/archive", 0, "acme/archive", 2},
		{"pause acme/archive", 0, "acme/archive", 2},
		{"run --once", 1, "it is paused", 2},
		{"resume acme/archive", 0, "acme/archive", 2},
		{"run --once", 0, "", 3},
		// Each replay writes its events.
		{replay, 0, "", 4},
		{replay, 0, "", 5},
		{"run --once", 0, "", 5}, // and no replay moves the position
		{"deadletter list", 0, "", 5},
		{"deadletter redrive acme/archive", 1, "from where they cannot be redriven", 5},
	} {
		var out bytes.Buffer
		args := strings.Fields(step.args)
		at := 1
		if len(args) > 1 && !strings.HasPrefix(args[1], "-") {
			at = 2
		}
		args = append(append(append([]string{}, args[:at]...), "-c", file), args[at:]...)
		exit := execute(t.Context(), args, nil, &out, &out)
		objects := 0
		for _, key := range store.Keys() {
			if !strings.HasPrefix(key, "_sluice") {
				objects++
			}
		}
		if exit != step.exit || !strings.Contains(out.String(), step.prints) || objects != step.objects {
			t.Errorf("%s: got exit code %d and %d objects, want %d and %d, and %q in:\n%s", step.args, exit, objects, step.exit, step.objects, step.prints, out.String())
		}
	}
	write("renamed")
	var out bytes.Buffer
	exit := execute(t.Context(), []string{"checkpoint", "rename", "-c", file, "acme/archive", "acme/renamed"}, nil, &out, &out)
	if exit != 1 || !strings.Contains(out.String(), "cannot rename it") {
		t.Errorf("rename: got exit code %d and:\n%s", exit, out.String())
	}
}
