package console

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// digits writes a number with a comma every three digits.
func digits[N int | int64 | uint32 | uint64](n N) string {
	text := strconv.FormatInt(int64(n), 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// several writes a number with the noun that it counts.
func several[N int | int64 | uint32 | uint64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return digits(n) + " " + many
}

// duration writes at most two units, so that a person sees the size at once.
func duration(d time.Duration) string {
	const day = 24 * time.Hour
	d = max(d, 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 2*day:
		return twoUnits(int(d/time.Hour), "h", int(d%time.Hour/time.Minute), "min")
	case d < 14*day:
		return twoUnits(int(d/day), "days", int(d%day/time.Hour), "h")
	}
	return digits(int64(d/day)) + " days"
}

func twoUnits(n int, unit string, m int, smaller string) string {
	if m == 0 {
		return fmt.Sprintf("%d %s", n, unit)
	}
	return fmt.Sprintf("%d %s %d %s", n, unit, m, smaller)
}

// rate writes events a second in the unit that gives a number people can imagine.
func rate(perSecond float64) string {
	switch perMinute, perHour := perSecond*60, perSecond*3600; {
	case perSecond >= 10:
		return digits(int64(perSecond+0.5)) + "/s"
	case perSecond >= 1:
		return fmt.Sprintf("%.1f/s", perSecond)
	case perMinute >= 1:
		return fmt.Sprintf("%.0f/min", perMinute)
	case perHour >= 1:
		return fmt.Sprintf("%.0f/h", perHour)
	case perSecond > 0:
		return "under 1/h"
	}
	return "0/s"
}

// size writes bytes.
func size(n int64) string {
	const kib, mib, gib = 1 << 10, 1 << 20, 1 << 30
	switch {
	case n >= 10*gib:
		return digits(n/gib) + " GiB"
	case n >= mib:
		return digits(n/mib) + " MiB"
	case n >= kib:
		return digits(n/kib) + " KiB"
	}
	return several(n, "byte", "bytes")
}

// full is a time as it stands beside shorter forms of it.
func full(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04:05 UTC") }

// short is a time of the last or the next days.
func short(t time.Time) string { return t.UTC().Format("2 Jan 15:04:05") }

// machine is a time for programs.
func machine(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// minute is a time within a sentence.
func minute(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	switch {
	case t.Year() == now.Year() && t.YearDay() == now.YearDay():
		return t.Format("15:04 UTC")
	case t.Year() == now.Year():
		return t.Format("2 January 15:04 UTC")
	}
	return t.Format("2 January 2006 15:04 UTC")
}

// severity names a severity of the catalogue in OCSF's words.
func severity(n int) string {
	return [...]string{"info", "info", "info", "low", "medium", "medium", "medium", "high", "high", "critical", "critical"}[min(max(n, 0), 10)]
}

// risky reports whether an event of a severity stands out.
func risky(severity int) bool { return severity >= 7 }

// joined lists names for a sentence.
func joined(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
