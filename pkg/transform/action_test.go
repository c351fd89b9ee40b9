package transform_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/internal/golden"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/internal/corpus"
)

// TestActions compares the record of each action, in each format, with a golden file. The
// file first lists the fields that all records share, and then the other fields of each
// record.
func TestActions(t *testing.T) {
	for _, f := range formats {
		if f.name == "raw" {
			continue // It maps nothing.
		}
		t.Run(f.name, func(t *testing.T) {
			encoder := open(t, f.Format, corpus.Options(transform.Options{Host: "forwarder-1", Version: "1.2.3", Settings: f.settings}))
			cases := corpus.ActionCases()
			records := make([][]transform.Field, len(cases))
			count := map[transform.Field]int{}
			for i, c := range cases {
				r, err := encoder.Transform(nil, &c.Event)
				if err != nil {
					t.Fatal(err)
				}
				if r.Unmapped || r.Truncated {
					t.Errorf("%s: unmapped %v, truncated %v", c.Name, r.Unmapped, r.Truncated)
				}
				if records[i], err = f.Explain(&corpus.Product, r.Body); err != nil {
					t.Fatal(err)
				}
				for _, field := range records[i] {
					count[field]++
				}
			}
			var text strings.Builder
			write := func(title string, fields []transform.Field, shared bool) {
				fmt.Fprintf(&text, "%s\n", title)
				for _, field := range fields {
					if (count[field] == len(cases)) == shared {
						fmt.Fprintf(&text, "\t%s %s\n", field.Name, field.Value)
					}
				}
			}
			write("every action", records[0], true)
			for i, c := range cases {
				write(c.Name, records[i], false)
			}
			golden.Check(t, "actions."+f.name, text.String())
		})
	}
}
