package setting_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/setting"
)

func TestSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1": 1, "17B": 17, "512kB": 512_000, "512KB": 512_000, "1KiB": 1024, "10MB": 10_000_000,
		"1MiB": 1 << 20, "1GiB": 1 << 30, "1 GiB": 1 << 30, "1gib": 1 << 30, "2GB": 2_000_000_000,
		"3TiB": 3 << 40, "4TB": 4_000_000_000_000, "9223372036854775807": 1<<63 - 1,
	} {
		var s setting.Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s.Bytes() != want {
			t.Errorf("%s: got %d, %v, want %d", text, s.Bytes(), err, want)
		}
	}
}

func TestBadQuantities(t *testing.T) {
	for _, c := range []struct{ kind, text, want string }{
		{"size", "", "is not a size"},
		{"size", "-1", "is negative; write a whole number"},
		{"size", "1.5GiB", "is not a whole number"},
		{"size", "GiB", "is not a size"},
		{"size", "1G", "has an unknown unit"},
		{"size", "44Mi", "has an unknown unit"},
		{"size", "1,000", "is not a whole number"},
		{"size", "unlimited", "is not a size"},
		{"size", "0x10", "has an unknown unit"},
		{"size", "9223372036854775808", "is too large"},
		{"size", "99999999999999999999", "is too large"},
		{"size", "8388608TiB", "is too large"},
		{"duration", "", "is not a duration"},
		{"duration", "5", "has no unit; write ms, s, m or h"},
		{"duration", "1h30", "has no unit"},
		{"duration", "5 s", "has a blank in it"},
		{"duration", "soon", "is not a duration; write a number with a unit"},
		{"duration", "15d", "has an unknown unit"},
		{"duration", "-5s", "is negative"},
		{"duration", "9999999h", "is too long"},
	} {
		var err error
		if c.kind == "size" {
			err = new(setting.Size).UnmarshalText([]byte(c.text))
		} else {
			err = new(setting.Duration).UnmarshalText([]byte(c.text))
		}
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q %s", c.text, c.want)) {
			t.Errorf("%s %q: got %v, want %q", c.kind, c.text, err, c.want)
		}
	}
}

func TestQuantitiesSurviveTheirText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := setting.Size(rapid.Int64Min(0).Draw(t, "size") >> rapid.IntRange(0, 62).Draw(t, "down") << rapid.SampledFrom([]int{0, 10, 20}).Draw(t, "up"))
		span := setting.Duration(rapid.Int64Min(0).Draw(t, "span"))
		if size < 0 {
			t.Skip("shifted into the sign")
		}
		sizeText, _ := size.MarshalText()
		spanText, _ := span.MarshalText()
		var size2 setting.Size
		var span2 setting.Duration
		if err := errors.Join(size2.UnmarshalText(sizeText), span2.UnmarshalText(spanText)); err != nil {
			t.Fatal(err)
		}
		if size2 != size || span2.Std() != time.Duration(span) {
			t.Fatalf("got %d and %s, want %d and %s", size2, span2, size, span)
		}
	})
}

func TestSizeReadsWell(t *testing.T) {
	for size, want := range map[setting.Size]string{0: "0", 1000: "1000", 1024: "1KiB", 1 << 30: "1GiB", 3 << 29: "1536MiB", 5 << 40: "5TiB"} {
		if got := size.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestInvalid(t *testing.T) {
	err := fmt.Errorf("outer: %w", setting.Invalid("sasl.username", io.ErrUnexpectedEOF))
	var key *setting.KeyError
	if !errors.As(err, &key) || key.Key != "sasl.username" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want a KeyError of sasl.username around its cause", err)
	}
	if got, want := key.Error(), "sasl.username: unexpected EOF"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := setting.Invalid("topic", nil); err != nil {
		t.Errorf("got %v for no error, want nil", err)
	}
}
