//go:build integration

package app_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// sealedSite is a site whose lane acme/siem has evidence, in three runs.
type sealedSite struct {
	*site
	holds holder
}

// holder is a destination whose records a test tampers with.
type holder interface {
	records(t *testing.T) []string          // the bodies, or messages, in no order
	replace(t *testing.T, records []string) // has it hold these
	arguments() []string                    // of verify, which say where the records are
}

// evidenceEvents is how many events the first run delivers.
const evidenceEvents = 700

// deliver has a lane deliver events in three runs: the last one seals what the second did.
func deliver(t *testing.T, s *site, sink string) {
	t.Helper()
	if out, err := exec.Command(s.binary, "key", "new", s.path("acme")).CombinedOutput(); err != nil {
		t.Fatalf("key new: %v: %s", err, out)
	}
	s.configure(t, "100ms", "  - name: siem\n    own_events: false\n"+sink)
	text, err := os.ReadFile(s.path("sluice.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "sluice.yaml", "evidence:\n  key_file: "+s.path("acme.key")+"\n"+string(text))
	for run := range 3 {
		if run == 1 {
			s.api.Append(40)
		}
		if cmd, stderr := s.command("--once"); cmd.Run() != nil {
			t.Fatalf("run %d: %v: %s", run, cmd.ProcessState, stderr)
		}
	}
}

func sealedLog() simulator.Config {
	return simulator.Config{Seed: 16, Events: evidenceEvents, Spacing: time.Second}
}

// finding is what verify says is wrong.
type finding struct {
	Kind     string
	Sequence *int
	Last     *int
}

func (f finding) String() string {
	text := f.Kind
	if f.Sequence != nil {
		text += fmt.Sprint(" ", *f.Sequence)
	}
	if f.Last != nil && *f.Last != *f.Sequence {
		text += fmt.Sprint("-", *f.Last)
	}
	return text
}

// verify runs the command, and returns its findings and exit code.
func (s *sealedSite) verify(t *testing.T, more ...string) (findings string, code int, out []byte) {
	t.Helper()
	args := append([]string{"verify", "--json", "--key", s.path("acme.pub")}, more...)
	cmd := exec.Command(s.binary, append(args, s.holds.arguments()...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var report struct{ Findings []finding }
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("verify %q: %v: %s%s", more, err, out, stderr.String())
	}
	var texts []string
	for _, f := range report.Findings {
		texts = append(texts, f.String())
	}
	slices.Sort(texts)
	return strings.Join(texts, ", "), cmd.ProcessState.ExitCode(), out
}

// Numbers in records, by format: the first group is the epoch, the second the sequence.
var numbers = []*regexp.Regexp{
	regexp.MustCompile(`"sequence":()(\d+)`),
	regexp.MustCompile(`PlanetScaleAuditLogNumber=(\d+/)(\d+)`),
	regexp.MustCompile(`( epoch="\d+" sequence=")(\d+)`),
}

// sequenceID is what RFC 5424 has for a number, which begins with 1.
var sequenceID = regexp.MustCompile(`\[meta sequenceId="\d+"`)

// at returns the index of the record with a number.
func at(t *testing.T, records []string, sequence int) int {
	t.Helper()
	i := slices.IndexFunc(records, func(r string) bool { return sequenceOf(r) == sequence })
	if i < 0 {
		t.Fatalf("no record has the number %d", sequence)
	}
	return i
}

// sequenceOf is -1 for a note.
func sequenceOf(record string) int {
	for _, form := range numbers {
		if found := form.FindStringSubmatch(record); found != nil {
			n, err := strconv.Atoi(found[2])
			if err == nil {
				return n
			}
		}
	}
	return -1
}

func renumber(record string, to int) string {
	for _, form := range numbers {
		record = form.ReplaceAllStringFunc(record, func(all string) string {
			return strings.TrimSuffix(all, form.FindStringSubmatch(all)[2]) + strconv.Itoa(to)
		})
	}
	return sequenceID.ReplaceAllString(record, fmt.Sprintf(`[meta sequenceId="%d"`, to+1))
}

// action is what was done, which alter changes.
var action = regexp.MustCompile(`("action":"|act=)[a-z_]+\.[a-z_]+`)

const otherAction = "${1}database.exported"

// tamperings are what somebody does to the records, and what verify must say: that, and
// nothing else.
var tamperings = []struct {
	name string
	do   func(t *testing.T, records []string) []string
	want string
}{
	{"nothing", func(_ *testing.T, r []string) []string { return r }, ""},
	{"delete", func(t *testing.T, r []string) []string {
		i := at(t, r, 300)
		return slices.Delete(r, i, i+1)
	}, "missing 300"},
	{"alter", func(t *testing.T, r []string) []string {
		i := at(t, r, 310)
		r[i] = action.ReplaceAllString(r[i], otherAction)
		return r
	}, "altered 310"},
	{"move", func(t *testing.T, r []string) []string {
		i, k := at(t, r, 320), at(t, r, 321)
		r[i], r[k] = renumber(r[i], 321), renumber(r[k], 320)
		return r
	}, "moved 320, moved 321"},
	{"forge", func(t *testing.T, r []string) []string {
		return append(r, action.ReplaceAllString(r[at(t, r, 330)], otherAction))
	}, "forged 330"},
	{"cut", func(_ *testing.T, r []string) []string {
		return slices.DeleteFunc(r, func(record string) bool {
			return sequenceOf(record) >= evidenceEvents || sequenceOf(record) < 0 && !firstNotes(record)
		})
	}, "cut tail"},
}

// firstNotes reports whether a note is one of the first run.
func firstNotes(record string) bool { return strings.Contains(noteIn(record), "\nepoch 1\n") }

// tamper tampers with the records in each way, and restores them.
func (s *sealedSite) tamper(t *testing.T) {
	t.Helper()
	original := s.holds.records(t)
	if notes := len(slices.DeleteFunc(slices.Clone(original), func(r string) bool { return sequenceOf(r) >= 0 })); notes < 3 || len(original) < evidenceEvents+40+notes {
		t.Fatalf("the destination holds %d records, %d of them notes", len(original), notes)
	}
	until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	for _, way := range tamperings {
		if way.name != "nothing" {
			s.holds.replace(t, way.do(t, slices.Clone(original)))
		}
		var more []string
		if way.name == "cut" {
			more = []string{"--until", until}
		}
		got, code, out := s.verify(t, more...)
		wantCode := 1
		if way.want == "" {
			wantCode = 0
		}
		if got != way.want || code != wantCode {
			t.Errorf("%s: got %q and exit code %d, want %q and %d: %.3000s", way.name, got, code, way.want, wantCode, out)
		}
		if way.name != "nothing" {
			s.holds.replace(t, original)
		}
	}
}
