package file

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// Settings are the keys of a file sink.
type Settings struct {
	Path string `yaml:"path" required:"true" pattern:"^([^{}]|\\{source\\})*([^{}/]|\\{source\\})$" doc:"Path of the file; {source} in it stands for the name of the source, so that each lane has a file of its own. Without it, Sluice's own events go to a file beside it: to audit.sluice.ndjson for audit.ndjson. The directory must exist."`

	// A Publish (up to 4 MiB) is never split.
	MaxBytes setting.Size `yaml:"max_bytes" default:"no rotation by size" doc:"Rotate the file before it exceeds this size. At least 1MiB; a single Publish of up to 4MiB may exceed it."`

	MaxAge setting.Duration `yaml:"max_age" default:"no rotation by age" doc:"Rotate the file when a period of this length begins. Periods start in UTC, counted from a Monday, 00:00: 24h gives one file a day. At least 1m."`

	// Files that other programs renamed or compressed do not count.
	Keep int `yaml:"keep" least:"0" default:"all" doc:"Number of rotated files to keep. Older ones are deleted."`

	Mode Mode `yaml:"mode" doc:"Mode of a new file, in octal and whatever the umask. An existing file keeps its mode."`
}

var defaults = Settings{Mode: 0o600}

// Validate reports every setting that is missing or invalid.
func (s Settings) Validate() []error {
	var errs []error
	check := func(ok bool, key, format string, args ...any) {
		if !ok {
			errs = append(errs, setting.Invalid(key, fmt.Errorf(format, args...)))
		}
	}
	rest := strings.ReplaceAll(s.Path, placeholder, "")
	check(s.Path != "", "path", "missing; name the file to append to")
	check(!strings.HasSuffix(s.Path, "/"), "path", "%q is a directory; name a file in it", s.Path)
	check(!strings.ContainsAny(rest, "{}"), "path", "%q has an unknown placeholder; write %s, the only one, or none", s.Path, placeholder)
	check(s.MaxBytes == 0 || s.MaxBytes >= 1<<20, "max_bytes", "%v is too small; write 1MiB or more, or 0 for no limit", s.MaxBytes)
	check(s.MaxAge == 0 || s.MaxAge.Std() >= time.Minute, "max_age", "%v is too short; write 1m or more, or 0 for no limit", s.MaxAge)
	check(s.Keep >= 0, "keep", "%d is negative; write how many rotated files to keep, or 0 for all", s.Keep)
	check(s.Keep <= 0 || s.MaxBytes > 0 || s.MaxAge > 0, "keep", "nothing is rotated; set max_bytes or max_age as well")
	return errs
}

// Exclusive returns the path of the file or pipe. In a pipe with two writers, lines
// over 4096 bytes would mix (pipe(7), PIPE_BUF). A device may have any number of
// writers, so it returns "".
func (s Settings) Exclusive(source string) string {
	path := s.pathFor(source)
	if shared(path) {
		return ""
	}
	return path
}

// shared reports whether any number of lanes may write to the path.
func shared(path string) bool {
	info, err := os.Stat(path)
	return borrowed(path) || err == nil && info.Mode()&os.ModeDevice != 0
}

const placeholder = "{source}"

// pathFor returns the path of a lane's file. The lane of the own log has one of its own
// also without a placeholder, since only one lane can write to a file.
func (s Settings) pathFor(source string) string {
	path := strings.ReplaceAll(s.Path, placeholder, source)
	if source == sink.OwnSource && path == s.Path && !shared(path) {
		ending := filepath.Ext(path)
		path = strings.TrimSuffix(path, ending) + "." + source + ending
	}
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	// There is no working directory. Opening the relative path will fail.
	return filepath.Clean(path)
}

// borrowed reports whether the path leads to a file that this process inherited,
// such as /dev/stdout. The sink must not lock, rename or truncate it, even if it is
// a regular file.
func borrowed(path string) bool {
	for _, prefix := range []string{"/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/fd/", "/proc/"} {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}

// Mode is the permission bits of a file, written in octal: 0640.
type Mode os.FileMode

func (m Mode) String() string { return fmt.Sprintf("%#o", os.FileMode(m)) }

// Form implements setting.Formed.
func (Mode) Form() setting.Form {
	return setting.Form{Name: "file mode", Pattern: "^(0o)?0*6[0246][04]$", Number: true}
}

// UnmarshalText accepts modes under which the owner can read and write, nobody
// can execute, and not everybody can write.
func (m *Mode) UnmarshalText(text []byte) error {
	v, err := strconv.ParseUint(strings.TrimPrefix(string(text), "0o"), 8, 9)
	if err != nil {
		return fmt.Errorf("%q is not a file mode; write it in octal, such as 0600 or 0640", text)
	}
	switch {
	case v&0o600 != 0o600:
		return errors.New("the owner must be able to read and write; write 0600 or more")
	case v&0o111 != 0:
		return fmt.Errorf("%#o makes the file executable; write a mode such as 0600 or 0640", v)
	case v&0o002 != 0:
		return fmt.Errorf("%#o lets everybody write to the file; write a mode such as 0600 or 0640", v)
	}
	*m = Mode(v)
	return nil
}

// MarshalText is the inverse of UnmarshalText.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// Questions implements setting.Asker.
func (s *Settings) Questions() []setting.Question {
	return []setting.Question{{Key: "path", Text: "File", Default: "audit.ndjson"}}
}

// Destination implements setting.Destination.
func (s *Settings) Destination() string { return s.Path }
