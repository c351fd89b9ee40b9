package app

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/internal/objectstore/objectstoretest"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// Every command takes a position with the state of a log beside it. Those that move a
// position keep the log: it goes on, and its next note says who moved the lane. So it is
// wherever a position may be.
func TestPositionsKeepTheLog(t *testing.T) {
	api := httptest.NewServer(simulator.New(simulator.Config{Seed: 5, Events: 30}))
	defer api.Close()
	bucket := httptest.NewServer(objectstoretest.Server{Store: objectstoretest.New()})
	defer bucket.Close()
	inBucket := fmt.Sprintf("bucket: %s, region: %s, endpoint: %q, path_style: true, access_key_id: %s, secret_access_key: %s",
		objectstoretest.BucketName, objectstoretest.BucketRegion, bucket.URL, objectstoretest.KeyID, objectstoretest.Secret)
	for name, c := range map[string]struct{ state, sink string }{
		"in files":    {"settings: {dir: state}", "type: file, settings: {path: audit.ndjson}"},
		"in a bucket": {"type: s3, settings: {" + inBucket + ", allow_http: true}", "type: file, settings: {path: audit.ndjson}"},
		"in the sink": {"settings: {dir: state}", "type: s3, settings: {prefix: sink, " + inBucket + "}"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			t.Chdir(dir)
			write := func(sink string) {
				text := fmt.Sprintf(`
sources: [{name: acme, type: planetscale, settings: {organization: acme, url: %q, access_token: any}}]
state: {%s}
sinks: [{name: %s, own_events: false, %s}]
admin: {listen: "127.0.0.1:0"}
`, api.URL, c.state, sink, c.sink)
				if err := os.WriteFile(filepath.Join(dir, "sluice.yaml"), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			command := func(line, prints string) {
				t.Helper()
				var out bytes.Buffer
				if exit := execute(t.Context(), strings.Fields(line), nil, &out, &out); exit != 0 || !strings.Contains(out.String(), prints) {
					t.Fatalf("sluice %s: exit code %d, want 0 and %q: %s", line, exit, prints, out.String())
				}
			}
			write("archive")
			command("checkpoint set -c sluice.yaml --to now acme/archive", "acme/archive: set\n  old: none")
			if s := stateIn(t, "acme/archive"); s != nil {
				t.Fatalf("a lane without a log has one: %+v", s)
			}
			begun := evidence.New("acme", "acme/archive")
			f := evidence.Facts{ID: "e1"}
			begun.Append(f.Leaf())
			begun.Epoch, begun.Notes = 4, 2
			replace(t, "acme/archive", &begun)
			command("checkpoint list -c sluice.yaml", "acme/archive  20")
			command("check -c sluice.yaml", "all is well")
			command("pause -c sluice.yaml acme/archive", "acme/archive")
			command("resume -c sluice.yaml acme/archive", "acme/archive")

			command("checkpoint set -c sluice.yaml --to beginning acme/archive", "  old: newest event 20")
			kept := stateIn(t, "acme/archive")
			if kept == nil || kept.Origin != begun.Origin || kept.Tree.Root() != begun.Tree.Root() || kept.Epoch != 4 || kept.Notes != 2 {
				t.Fatalf("the log is %+v, want %+v", kept, begun)
			}
			if want := "position set to beginning by " + whoRuns(); kept.Moved != want {
				t.Errorf("the log says %q, want %q", kept.Moved, want)
			}
			if name == "in the sink" {
				return // It cannot rename a lane.
			}
			write("store")
			command("checkpoint rename -c sluice.yaml acme/archive acme/store", "resumes where acme/archive was")
			if moved := stateIn(t, "acme/store"); moved == nil || moved.Origin != begun.Origin || moved.Tree.Root() != begun.Tree.Root() {
				t.Errorf("after the rename the log is %+v, want %+v", moved, begun)
			}
		})
	}
}

// stateIn returns the state of the log beside a lane's position.
func stateIn(t *testing.T, lane string) *evidence.State {
	t.Helper()
	cfg, err := newCommand(nil, nil, nil, nil).load("sluice.yaml")
	if err != nil {
		t.Fatal(err)
	}
	positions, err := openPositions(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer positions.close()
	lanes, err := pick(cfg, []string{lane})
	if err != nil {
		t.Fatal(err)
	}
	saved := positions.look(t.Context(), lanes[0])
	if saved.Err != nil || saved.Position == nil {
		t.Fatalf("the position of %s is %s, %v", lane, saved.Position, saved.Err)
	}
	_, state, err := evidence.Split(saved.Position)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// replace puts the state of a log beside a lane's position, as the lane does.
func replace(t *testing.T, lane string, s *evidence.State) {
	t.Helper()
	cfg, err := newCommand(nil, nil, nil, nil).load("sluice.yaml")
	if err != nil {
		t.Fatal(err)
	}
	lanes, err := pick(cfg, []string{lane})
	if err != nil {
		t.Fatal(err)
	}
	w := positionWriter{cfg: cfg, log: zerolog.Nop()}
	defer w.close()
	opened, err := openSink(context.Background(), lanes[0], sinkEnv(lanes[0], zerolog.Nop()))
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	if err := w.setIn(t.Context(), opened, lanes[0], func(pos []byte) ([]byte, error) { return s.Join(pos) }); err != nil {
		t.Fatal(err)
	}
}
