package app

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// explainer prints the records of a lane field by field, with the rule that made each.
type explainer struct {
	*mapper
	out io.Writer
}

// publish escapes control characters wherever it writes, since people read the output.
func (x explainer) publish(_ context.Context, records []sink.Record) error {
	for i := range records {
		text, err := x.text(&records[i])
		if err != nil {
			return err
		}
		if _, err := io.WriteString(x.out, text); err != nil {
			return fmt.Errorf("writing the explanation: %w", err)
		}
	}
	return nil
}

func (x explainer) text(r *sink.Record) (string, error) {
	fields, err := x.explain(r)
	if err != nil {
		return "", err
	}
	a := x.lane.Source.Catalogue.Of(&source.Event{Action: r.Action, OwnToken: r.OwnToken})
	var text strings.Builder
	fmt.Fprintf(&text, "event      %s\naction     %s\ncatalogue  %s\nseverity   %d: %s\n\n", oneLine(r.ID), oneLine(r.Action), oneLine(a.Rule), a.Severity, oneLine(a.Reason))
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "FIELD\tVALUE\tRULE\n")
	for _, f := range fields {
		fmt.Fprintf(table, "%s\t%s\t%s\n", oneLine(f.Name), cell(f.Value), f.Rule)
	}
	if err := table.Flush(); err != nil {
		return "", err
	}
	return text.String() + "\n", nil
}

// cell cuts a text to fit a table.
func cell(text string) string {
	const longest = 60 // bytes
	if short := transform.Cut(text, longest); len(short) < len(text) {
		text = short + "…"
	}
	return oneLine(text)
}
