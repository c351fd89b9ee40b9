package app

import (
	"fmt"
	"os"
	"strings"
	"time"
	_ "time/tzdata" // The image has no zones, and TZ would mean UTC there.

	"github.com/sluice-siem/sluice/pkg/setting"
)

// environment finds variables that mean nothing. Go passes over them in silence.
func environment() (list []finding) {
	if name := unknownZone(); name != "" {
		list = append(list, finding{
			about: "TZ", mark: warning, text: fmt.Sprintf("%q names no time zone, so local times are in UTC", name),
			hint: "write a name of the IANA database in TZ, such as Europe/Berlin; forms such as CET-1CEST are not known",
		})
	}
	if err := setting.CheckProxy(); err != nil {
		list = append(list, found("proxy", "", err))
	}
	return list
}

// unknownZone returns what TZ names if that is no time zone. Package time then uses UTC
// (initLocal in zoneinfo_unix.go), and the local times in headers of RFC 3164 are wrong by
// hours.
func unknownZone() string {
	name := strings.TrimPrefix(os.Getenv("TZ"), ":")
	if name == "UTC" || time.Local.String() != "UTC" {
		return ""
	}
	return name
}
