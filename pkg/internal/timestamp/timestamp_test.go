package timestamp_test

import (
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/timestamp"
)

// check compares Parse with package time.
func check(t *testing.T, text string) {
	t.Helper()
	want, err := time.Parse(time.RFC3339Nano, text)
	got, ok := timestamp.Parse(text)
	if ok != (err == nil) || ok && !got.Equal(want) {
		t.Fatalf("%q: got %s, %t, want %s, error %v", text, got, ok, want, err)
	}
	const layout = "2006-01-02T15:04:05.000Z"
	if canonical := err == nil && len(text) == len(layout) && want.UTC().Format(layout) == text; timestamp.Canonical(text) != canonical {
		t.Fatalf("%q: canonical: got %t, want %t", text, !canonical, canonical)
	}
}

// TestEveryDay covers four hundred years, and the first and last years.
func TestEveryDay(t *testing.T) {
	for day := time.Date(1800, 1, 1, 23, 59, 59, 999e6, time.UTC); day.Year() < 2210; day = day.AddDate(0, 0, 1) {
		check(t, day.Format("2006-01-02T15:04:05.000Z"))
	}
	for _, text := range []string{"0000-01-01T00:00:00.000Z", "0000-02-29T00:00:00.000Z", "0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"} {
		check(t, text)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"2026-03-14T15:09:26.535Z", "2026-03-14T15:09:26Z", "2026-03-14T15:09:26.535987+08:00", "2026-02-29T00:00:00.000Z",
		"2024-02-29T00:00:00.000Z", "1900-02-29T00:00:00.000Z", "2000-02-29T00:00:00.000Z", "2026-04-31T00:00:00.000Z",
		"2026-00-01T00:00:00.000Z", "2026-13-01T00:00:00.000Z", "2026-01-00T00:00:00.000Z", "2026-01-32T00:00:00.000Z",
		"2026-01-01T24:00:00.000Z", "2026-01-01T00:60:00.000Z", "2026-01-01T00:00:60.000Z", "2026-01-01t00:00:00.000z",
		"2026-01-01T00:00:00,000Z", "2026-01-01 00:00:00.000Z", "2026-01-01T00:00:00.0000", "yesterday", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(check)
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		if _, ok := timestamp.Parse("2026-03-14T15:09:26.535Z"); !ok {
			b.Fatal("not read")
		}
	}
}
