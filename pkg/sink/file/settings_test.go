package file_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/file"
)

func TestAllInvalidSettingsAreReported(t *testing.T) {
	for _, c := range []struct {
		name     string
		settings file.Settings
		want     []string
	}{
		{"a path", file.Settings{Path: "audit.ndjson"}, nil},
		{"all there is", file.Settings{Path: "/var/log/{source}/audit.ndjson", MaxBytes: 1 << 20, MaxAge: setting.Duration(time.Minute), Keep: 3}, nil},
		{"nothing", file.Settings{}, []string{"path: missing; name the file to append to"}},
		{"a directory", file.Settings{Path: "/var/log/"}, []string{`path: "/var/log/" is a directory; name a file in it`}},
		{"another placeholder", file.Settings{Path: "/var/log/{sources}.ndjson"},
			[]string{`path: "/var/log/{sources}.ndjson" has an unknown placeholder; write {source}, the only one, or none`}},
		{"everything wrong", file.Settings{MaxBytes: 1000, MaxAge: setting.Duration(time.Second), Keep: -1}, []string{
			"path: missing; name the file to append to",
			"max_bytes: 1000 is too small; write 1MiB or more, or 0 for no limit",
			"max_age: 1s is too short; write 1m or more, or 0 for no limit",
			"keep: -1 is negative; write how many rotated files to keep, or 0 for all",
		}},
		{"keep without rotation", file.Settings{Path: "a", Keep: 1}, []string{"keep: nothing is rotated; set max_bytes or max_age as well"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, err := range c.settings.Validate() {
				got = append(got, err.Error())
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestModeInOctal(t *testing.T) {
	for _, c := range []struct {
		text, want, problem string
	}{
		{"0600", "0600", ""},
		{"640", "0640", ""},
		{"0o664", "0664", ""},
		{"0400", "", "the owner must be able to read and write; write 0600 or more"},
		{"0700", "", "0700 makes the file executable; write a mode such as 0600 or 0640"},
		{"0666", "", "0666 lets everybody write to the file; write a mode such as 0600 or 0640"},
		{"04600", "", `"04600" is not a file mode; write it in octal, such as 0600 or 0640`},
		{"rw", "", `"rw" is not a file mode; write it in octal, such as 0600 or 0640`},
		{"", "", `"" is not a file mode; write it in octal, such as 0600 or 0640`},
	} {
		t.Run(c.text, func(t *testing.T) {
			var m file.Mode
			err := m.UnmarshalText([]byte(c.text))
			if c.problem != "" {
				if err == nil || err.Error() != c.problem {
					t.Errorf("got error %v, want %q", err, c.problem)
				}
				return
			}
			if text, _ := m.MarshalText(); err != nil || string(text) != c.want {
				t.Errorf("got %s, error %v, want %s", text, err, c.want)
			}
		})
	}
}

func TestDefaultMode(t *testing.T) {
	if got := file.Type.Settings().(*file.Settings).Mode; got != 0o600 {
		t.Errorf("got mode %v, want 0600", got)
	}
}

func TestWhatOneLaneMayWrite(t *testing.T) {
	dir := t.TempDir()
	working, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	pipe := fifo(t, dir)
	for _, c := range []struct{ name, path, want string }{
		{"a file", dir + "/audit.ndjson", dir + "/audit.ndjson"},
		{"a file for each source", dir + "/{source}.ndjson", dir + "/acme.ndjson"},
		{"one named in a roundabout way", dir + "/x/.././/audit.ndjson", dir + "/audit.ndjson"},
		{"a relative one", "audit.ndjson", filepath.Join(working, "audit.ndjson")},
		{"a pipe", pipe, pipe},
		{"no device", "/dev/null", ""},
		{"no standard output", "/dev/stdout", ""},
		{"no file of the process", "/proc/self/fd/1", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var claim sink.Exclusive = &file.Settings{Path: c.path}
			if got := claim.Exclusive("acme"); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestTheOwnLogHasAFileOfItsOwn wants a file for the lane of the own log that no other lane
// of the sink writes to.
func TestTheOwnLogHasAFileOfItsOwn(t *testing.T) {
	for path, want := range map[string]string{
		"/logs/audit.ndjson":         "/logs/audit.sluice.ndjson",
		"/logs.d/audit":              "/logs.d/audit.sluice",
		"/logs/{source}.ndjson":      "/logs/sluice.ndjson",
		"/logs/{source}/audit.jsonl": "/logs/sluice/audit.jsonl",
		"/dev/stdout":                "", // any number of lanes may write to it
		"/dev/null":                  "",
	} {
		var claim sink.Exclusive = &file.Settings{Path: path}
		if got := claim.Exclusive(sink.OwnSource); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}
