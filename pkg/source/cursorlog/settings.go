package cursorlog

import (
	"fmt"
	"time"

	"github.com/sluice-siem/sluice/pkg/setting"
)

// Settings are the settings of any log that is read this way. A source's own settings
// embed them, and thereby have their keys.
type Settings struct {
	PollInterval      setting.Duration `yaml:"poll_interval" doc:"Time between two polls. An idle source makes one request a poll, for all sinks together. At least 100ms."`
	Overlap           setting.Duration `yaml:"overlap" doc:"How late an event may become visible in the log and still be delivered. At least 1s."`
	RequestsPerMinute int              `yaml:"requests_per_minute" least:"0" doc:"Most requests in a minute; 0 is no limit. Sources with the same credential share one rate, the slowest of theirs. Polls go first. If polls alone would use the whole rate, every fifth request still goes to a catch-up."`
	Retention         setting.Duration `yaml:"retention" doc:"How far back the log reaches. Sluice uses it to detect gaps and for alarms. It must be longer than overlap."`
	WalkBuffer        setting.Size     `yaml:"walk_buffer" doc:"Pages that a long walk of one lane keeps in memory, as far as memory allows. They are compressed if they do not fit otherwise. Beyond it the newest pages are read twice."`
}

// Defaults suit a log whose limits are not known.
var Defaults = Settings{
	PollInterval:      setting.Duration(5 * time.Second),
	Overlap:           setting.Duration(10 * time.Minute),
	RequestsPerMinute: 500,
	Retention:         setting.Duration(15 * 24 * time.Hour),
	WalkBuffer:        44 << 20,
}

// Retains is how much memory a lane may keep during a long walk.
func (s *Settings) Retains() int64 { return s.WalkBuffer.Bytes() }

// Validate reports everything that is wrong with the settings. The Validate of settings
// that embed these need not call it: embedded settings are validated, too.
func (s *Settings) Validate() []error {
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, setting.Invalid(key, fmt.Errorf(format, args...)))
	}
	if s.PollInterval.Std() < 100*time.Millisecond {
		bad("poll_interval", "%s is too short; write 100ms or more", s.PollInterval)
	}
	if s.Overlap.Std() < time.Second {
		bad("overlap", "%s is too short; write 1s or more", s.Overlap)
	}
	if s.Retention <= s.Overlap {
		bad("retention", "%s is not longer than the overlap, %s; write how far back the log reaches, such as 360h", s.Retention, s.Overlap)
	}
	if s.RequestsPerMinute < 0 {
		bad("requests_per_minute", "is %d; write a number of 1 or more, or 0 for no limit", s.RequestsPerMinute)
	}
	return errs
}
