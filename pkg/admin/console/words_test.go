package console

import (
	"testing"
	"time"
)

func TestWords(t *testing.T) {
	const day = 24 * time.Hour
	for _, tt := range []struct{ got, want string }{
		{digits(0), "0"}, {digits(999), "999"}, {digits(1000), "1,000"}, {digits(uint64(1_234_567)), "1,234,567"},
		{several(1, "lane", "lanes"), "1 lane"}, {several(3000, "lane", "lanes"), "3,000 lanes"},
		{duration(-time.Second), "0 s"}, {duration(59 * time.Second), "59 s"}, {duration(59 * time.Minute), "59 min"},
		{duration(100 * time.Minute), "1 h 40 min"}, {duration(47 * time.Hour), "47 h"}, {duration(2*day + 3*time.Hour), "2 days 3 h"}, {duration(90 * day), "90 days"},
		{rate(0), "0/s"}, {rate(1500.4), "1,500/s"}, {rate(2.25), "2.2/s"}, {rate(0.1), "6/min"}, {rate(0.001), "4/h"}, {rate(0.0001), "under 1/h"},
		{size(1), "1 byte"}, {size(700), "700 bytes"}, {size(64 << 10), "64 KiB"}, {size(512 << 20), "512 MiB"}, {size(32 << 30), "32 GiB"},
		{joined(nil), ""}, {joined([]string{"a"}), "a"}, {joined([]string{"a", "b", "c"}), "a, b and c"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

// An hour of which nothing is known must not look like one without events.
func TestHoursOfTheHeatMap(t *testing.T) {
	now := time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)
	at := func(hour int) time.Time { return time.Date(2026, 3, 14, hour, 0, 0, 0, time.UTC) }
	h := heatOf([]Hour{
		{Begin: at(10)}, {Begin: at(11), Known: true}, {Begin: at(12), Known: true, Events: 100, Highest: 6},
		{Begin: at(13), Known: true, Events: 4, Highest: 7}, {Begin: at(14), Known: true, Events: 12, More: true},
	}, now)
	if len(h.Days) != 7 || h.Days[6].Name != "Sat 14 Mar" {
		t.Fatalf("got %d days, the last %s", len(h.Days), h.Days[len(h.Days)-1].Name)
	}
	for hour, want := range map[int]heatCell{
		9:  {Class: "unknown", Text: "unknown", Title: "Sat 14 Mar, 09:00 to 10:00 UTC: unknown"},
		10: {Class: "unknown", Text: "unknown", Title: "Sat 14 Mar, 10:00 to 11:00 UTC: unknown"},
		11: {Class: "known", Text: "0", Title: "Sat 14 Mar, 11:00 to 12:00 UTC: 0 events"},
		12: {Class: "known", Level: 5, Text: "100", Title: "Sat 14 Mar, 12:00 to 13:00 UTC: 100 events, highest severity medium"},
		13: {Class: "known", Level: 2, Text: "4, high", Risky: true, Title: "Sat 14 Mar, 13:00 to 14:00 UTC: 4 events, highest severity high"},
		14: {Class: "known", Level: 2, Text: "at least 12", Title: "Sat 14 Mar, 14:00 to 15:00 UTC: at least 12 events, highest severity info"},
		16: {Class: "future", Text: "to come", Title: "Sat 14 Mar, 16:00 to 17:00 UTC: to come"},
	} {
		if got := h.Days[6].Hours[hour]; got != want {
			t.Errorf("hour %d: got %+v, want %+v", hour, got, want)
		}
	}
}
