package syslog_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/sink/syslog"
	"github.com/sluice-siem/sluice/pkg/transform/cef/ceftest"
	"github.com/sluice-siem/sluice/pkg/transform/leef/leeftest"
)

// TestRecordsReadBackTheSame parses messages with a strict syslog parser, and their text
// with strict parsers of CEF and LEEF.
func TestRecordsReadBackTheSame(t *testing.T) {
	everyWay(t, func(t *testing.T, s syslog.Settings) {
		read := 0
		for name, body := range hostile(t) {
			var parse func(line string) (any, error)
			switch {
			case strings.HasSuffix(name, ".cef"):
				parse = func(line string) (any, error) { return ceftest.Parse(line) }
			case strings.HasSuffix(name, ".leef"):
				parse = func(line string) (any, error) { return leeftest.Parse(line) }
			default:
				continue
			}
			sent, err := syslog.Message(s, record(body))
			if err != nil {
				t.Fatal(err)
			}
			all, err := judge(s, sent)
			if err != nil || len(all) != 1 {
				t.Fatalf("%s: got %d messages, error %v", name, len(all), err)
			}
			want, err := parse(body)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got, err := parse(all[0].Text)
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%s: error %v (-want +got):\n%s", name, err, diff)
			}
			read++
		}
		if read < 100 {
			t.Errorf("%d records were read, and the corpora have more", read)
		}
	})
}
