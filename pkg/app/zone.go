package app

import (
	"os"
	"strings"
	"time"
	_ "time/tzdata" // The image has no zones, and TZ would mean UTC there.

	"github.com/rs/zerolog"
)

// warnOfZone warns if TZ names no zone. Package time then uses UTC and says nothing
// (initLocal in zoneinfo_unix.go), and the local times in headers of RFC 3164 are wrong by
// hours.
func warnOfZone(log zerolog.Logger) {
	name := strings.TrimPrefix(os.Getenv("TZ"), ":")
	if name == "" || name == "UTC" || time.Local.String() != "UTC" {
		return
	}
	log.Warn().Str("tz", name).
		Str("hint", "write a name of the IANA database in TZ, such as Europe/Berlin; forms such as CET-1CEST are not known").
		Msg("TZ names no time zone: local times are in UTC")
}
