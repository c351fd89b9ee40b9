package app

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/evidence/verify"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform/prepare"
)

// relisting compares an export with what the sources list.
type relisting struct {
	log   zerolog.Logger
	lanes []*relistedLane
}

// relistedLane is a lane whose events may be in the export.
type relistedLane struct {
	config.Lane
	*verify.Listing
}

// newRelisting returns the comparison for the lanes of one sink, or of all if name is empty.
func newRelisting(cfg *config.Config, name string, log zerolog.Logger) (*relisting, error) {
	r := &relisting{log: log}
	stock := new(prepare.Stock)
	for _, l := range cfg.Lanes() {
		if cfg.IsOwn(l) || name != "" && l.Sink.Name != name {
			continue
		}
		s, ok := l.Source.Settings.(source.Relister)
		if !ok {
			return nil, sink.Hint(usageError{fmt.Errorf("source %s, of type %s, cannot be listed again", l.Source.Name, l.Source.Type.Name), ""},
				"leave --source out; the records are verified all the same")
		}
		wanted, err := wantedBy(l, stock)
		if err != nil {
			return nil, err
		}
		r.lanes = append(r.lanes, &relistedLane{l, verify.NewListing(verify.ListingOptions{
			Lane: l.Name, Organization: s.OrganizationName(), Lateness: s.Lateness(),
			Redacted: len(l.Sink.Prepare.Redact.Fields) > 0, Wanted: wanted,
		})})
	}
	if len(r.lanes) == 0 {
		return nil, usageError{fmt.Errorf("no source delivers to sink %s", name), ""}
	}
	return r, nil
}

// wantedBy returns what reports whether a lane's sink gets an event; nil if it gets all. An
// event on which the condition fails is delivered.
func wantedBy(l config.Lane, stock *prepare.Stock) (func(source.Listed) bool, error) {
	if !l.Sink.Prepare.Where.IsSet() {
		return nil, nil
	}
	l.Sink.Prepare = prepare.Settings{Where: l.Sink.Prepare.Where}
	keeps, err := newPreparation(l, stock)
	if err != nil {
		return nil, err
	}
	return func(e source.Listed) bool {
		events, err := l.Source.Type.Parse(e.Raw, organization(l.Source))
		if err != nil || len(events) != 1 {
			return true
		}
		kept, _ := keeps(&events[0])
		return kept != nil
	}, nil
}

// list lists the sources once.
func (r *relisting) list(ctx context.Context) error {
	var done []string
	for _, l := range r.lanes {
		if slices.Contains(done, l.Source.Name) {
			continue
		}
		done = append(done, l.Source.Name)
		same := slices.DeleteFunc(slices.Clone(r.lanes), func(other *relistedLane) bool { return other.Source.Name != l.Source.Name })
		for _, lane := range same {
			lane.Begin()
		}
		n, began := 0, time.Now()
		err := l.Source.Settings.(source.Relister).Relist(ctx, func(e source.Listed) error {
			n++
			for _, lane := range same {
				lane.Listed(e)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("source %s: %w", l.Source.Name, err)
		}
		r.log.Info().Str("source", l.Source.Name).Int("events", n).Str("took", time.Since(began).Round(time.Second).String()).Msg("listed the log of the source again")
	}
	return nil
}

// claim takes what a record states.
func (r *relisting) claim(c *verify.Claim) {
	for _, l := range r.lanes {
		l.Claim(c)
	}
}

// report compares for each lane whose log the export has. through is until when each of
// these had delivered all. Where an event seems to have vanished or changed, the sources are
// listed once more.
func (r *relisting) report(ctx context.Context, through map[string]time.Time) ([]*verify.ListingReport, error) {
	r.lanes = slices.DeleteFunc(r.lanes, func(l *relistedLane) bool { _, has := through[l.Name]; return !has })
	if slices.ContainsFunc(r.lanes, func(l *relistedLane) bool { return l.Doubts() }) {
		if err := r.list(ctx); err != nil {
			return nil, err
		}
	}
	reports := []*verify.ListingReport{}
	for _, l := range r.lanes {
		reports = append(reports, l.Report(through[l.Name]))
	}
	return reports, nil
}

// writeListing writes for people what a comparison found.
func writeListing(w io.Writer, r *verify.ListingReport) {
	line := func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
	line("source of lane %s, organization %s: %s listed", r.Lane, r.Organization, several(r.Listed, "event"))
	if r.Reason != "" {
		line("  nothing could be compared: %s", r.Reason)
		return
	}
	line("  compared: %s from %s to %s", several(r.Compared, "event"), r.From.Format(time.RFC3339), r.To.Format(time.RFC3339))
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{
		{r.Delivered, "delivered"}, {r.Filtered, "filtered by where"}, {r.Rejected, "rejected"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	if len(parts) > 0 {
		line("  of these: %s", strings.Join(parts, ", "))
	}
	if r.NotYetDue > 0 {
		line("  not yet due: %d listed at or after that time, and not delivered so far", r.NotYetDue)
	}
	if r.Undated > 0 {
		line("  without a usable time, and not compared: %d", r.Undated)
	}
	if !r.Bytes {
		line("  bytes were not compared: the sink redacts, so its records have other hashes than the source")
	}
	for _, found := range []struct {
		what  string
		list  []verify.Difference
		total int
	}{
		{"listed and not delivered", r.Undelivered, r.UndeliveredTotal},
		{"delivered and no longer listed", r.Vanished, r.VanishedTotal},
		{"changed at the source since they were delivered", r.Changed, r.ChangedTotal},
	} {
		line("  %s: %d", found.what, found.total)
		for _, d := range found.list {
			line("    %s %s%s", d.Time.UTC().Format(time.RFC3339Nano), printable(d.ID), placeText(d.Place))
		}
		if more := found.total - len(found.list); more > 0 {
			line("    and %d more", more)
		}
	}
}

func placeText(p verify.Place) string {
	if p == (verify.Place{}) {
		return ""
	}
	return fmt.Sprintf(" at %s:%d", printable(p.Name), p.Line)
}
