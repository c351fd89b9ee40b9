package syslog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-siem/sluice/pkg/setting"
)

// Facility is the part of a system that messages come from; receivers route by it. It
// is a number from 0 to 23 (RFC 5424, section 6.2.1), configured by name.
type Facility int

const audit Facility = 13

// facilities are rsyslog's names of the numbers.
var facilities = []string{
	"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news",
	"uucp", "cron", "authpriv", "ftp", "ntp", "audit", "alert", "clock",
	"local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
}

func (f Facility) String() string { return facilities[f] }

// Form implements setting.Formed.
func (Facility) Form() setting.Form { return setting.Form{Values: facilities} }

// UnmarshalText parses a name.
func (f *Facility) UnmarshalText(text []byte) error {
	i := slices.Index(facilities, string(text))
	if i < 0 {
		return fmt.Errorf("%q is unknown; write one of %s", text, strings.Join(facilities, ", "))
	}
	*f = Facility(i)
	return nil
}

// MarshalText is the inverse of UnmarshalText.
func (f Facility) MarshalText() ([]byte, error) { return []byte(f.String()), nil }
