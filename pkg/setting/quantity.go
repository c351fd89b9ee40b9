package setting

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Duration is a span of time in Go's notation, with a unit: "500ms", "5s", "10m",
// "360h", "1h30m". It is never negative.
type Duration time.Duration

// Std returns d as a time.Duration.
func (d Duration) Std() time.Duration { return time.Duration(d) }

func (d Duration) String() string { return time.Duration(d).String() }

// UnmarshalText accepts what time.ParseDuration does, except negative durations.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return notADuration(string(text))
	}
	if v < 0 {
		return fmt.Errorf("%q is negative; write a duration of 0s or more", text)
	}
	*d = Duration(v)
	return nil
}

// Form implements Formed.
func (Duration) Form() Form {
	return Form{Name: "duration", Pattern: `^(\+?0|\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))*)$`}
}

// span is a duration in the form that time.ParseDuration takes.
var span = regexp.MustCompile(`^[+-]?([0-9.]+(ns|us|µs|ms|s|m|h))+$`)

func notADuration(text string) error {
	digit := func(i int) bool { return text[i] >= '0' && text[i] <= '9' }
	switch {
	case text == "":
	case span.MatchString(text):
		return fmt.Errorf("%q is too long; write a shorter duration, such as 360h", text)
	case strings.Contains(text, " "):
		return fmt.Errorf("%q has a blank in it; write the number and its unit together, such as 5s, 10m or 360h", text)
	case digit(len(text) - 1):
		return fmt.Errorf("%q has no unit; write ms, s, m or h behind the number, such as 5s, 10m or 360h", text)
	case digit(0):
		return fmt.Errorf("%q has an unknown unit; write ms, s, m or h behind the number, such as 5s, 10m, or 360h for 15 days", text)
	}
	return fmt.Errorf("%q is not a duration; write a number with a unit (ms, s, m or h), such as 5s, 10m or 360h", text)
}

// MarshalText is the inverse of UnmarshalText.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// Size is a number of bytes, with or without a unit: "1048576" or "1MiB". kB, MB,
// GB, TB are powers of 1000; KiB, MiB, GiB, TiB are powers of 1024 (IEC 80000-13).
// Units may be in upper or lower case. A size is never negative.
type Size int64

var units = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1},
}

// Bytes returns s as a number.
func (s Size) Bytes() int64 { return int64(s) }

// String formats s with the largest binary unit that divides it, else in bytes.
func (s Size) String() string {
	for _, u := range units[:4] {
		if s != 0 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// UnmarshalText parses a whole number of bytes or of a unit.
func (s *Size) UnmarshalText(text []byte) error {
	digits, per := splitUnit(string(text))
	n, err := strconv.ParseUint(digits, 10, 63)
	if errors.Is(err, strconv.ErrRange) || err == nil && n > uint64(math.MaxInt64/per) {
		return fmt.Errorf("%q is too large; write a smaller size, such as 1GiB", text)
	}
	if err != nil {
		return notASize(string(text), digits)
	}
	*s = Size(int64(n) * per)
	return nil
}

// Form implements Formed.
func (Size) Form() Form {
	return Form{Name: "size", Pattern: `^[0-9]+ *([KkMmGgTt][Ii]?)?[Bb]$|^[0-9]+$`, Number: true}
}

// notASize also takes the text without a known unit.
func notASize(text, digits string) error {
	const write = "write a whole number with a unit (kB, MB, GB, KiB, MiB, GiB), such as 512kB or 1GiB"
	rest := strings.TrimLeft(digits, "0123456789")
	switch {
	case strings.HasPrefix(digits, "-"):
		return fmt.Errorf("%q is negative; %s", text, write)
	case rest == digits:
		return fmt.Errorf("%q is not a size; %s", text, write)
	case strings.Trim(rest, ".,0123456789") == "":
		return fmt.Errorf("%q is not a whole number; %s", text, write)
	}
	return fmt.Errorf("%q has an unknown unit; %s", text, write)
}

// splitUnit returns the text without its unit, and the bytes of that unit.
func splitUnit(text string) (digits string, per int64) {
	for _, u := range units {
		if at := len(text) - len(u.name); at >= 0 && strings.EqualFold(text[at:], u.name) {
			return strings.TrimRight(text[:at], " "), u.bytes
		}
	}
	return text, 1
}

// MarshalText is the inverse of UnmarshalText.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
