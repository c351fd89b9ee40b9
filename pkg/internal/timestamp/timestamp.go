// Package timestamp parses the times of an API. Nearly all of them are in UTC with
// milliseconds; it parses these in a quarter of the time that package time needs. A
// fuzz test compares both.
package timestamp

import "time"

// layout is the layout of most times.
const layout = "2006-01-02T15:04:05.000Z"

// Parse parses a time of RFC 3339, with any number of decimals, as time.Parse does. ok
// is false for any other text.
func Parse(text string) (t time.Time, ok bool) {
	if ms, ok := parse(text); ok {
		return time.UnixMilli(ms).UTC(), true
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	return t, err == nil
}

// Canonical reports whether text is a time in UTC with milliseconds, such as
// "2006-01-02T15:04:05.000Z".
func Canonical(text string) bool {
	_, ok := parse(text)
	return ok
}

// parse parses a canonical time, and returns milliseconds since 1970.
func parse(text string) (ms int64, ok bool) {
	if len(text) != len(layout) || text[4] != '-' || text[7] != '-' || text[10] != 'T' ||
		text[13] != ':' || text[16] != ':' || text[19] != '.' || text[23] != 'Z' {
		return 0, false
	}
	for _, i := range [...]int{0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18, 20, 21, 22} {
		if text[i]-'0' > 9 {
			return 0, false
		}
	}
	pair := func(i int) int { return int(text[i]-'0')*10 + int(text[i+1]-'0') }
	year, month, day := pair(0)*100+pair(2), pair(5), pair(8)
	hour, minute, second := pair(11), pair(14), pair(17)
	if month < 1 || month > 12 || day < 1 || day > daysIn(month, year) || hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	seconds := ((int64(days(year, month, day))*24+int64(hour))*60+int64(minute))*60 + int64(second)
	return seconds*1000 + int64(text[20]-'0')*100 + int64(pair(21)), true
}

func daysIn(month, year int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// days returns the days since 1970. Its years start in March, so that a leap day is the
// last day of a year (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms",
// days_from_civil).
func days(year, month, day int) int {
	if month <= 2 {
		year--
		month += 12
	}
	ofYear := (153*(month-3)+2)/5 + day - 1
	const untilEpoch = 719468
	return year*365 + floor(year, 4) - floor(year, 100) + floor(year, 400) + ofYear - untilEpoch
}

// floor divides and rounds down, also for a negative year.
func floor(a, b int) int {
	if a < 0 {
		return (a - b + 1) / b
	}
	return a / b
}
