package app

import (
	"context"
	"fmt"
	"slices"
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

// listened is an Intake that also tells the comparison what records state.
type listened struct {
	verify.Intake
	*relisting
}

func (l listened) Add(claims ...verify.Claim) {
	l.relisting.claim(claims...)
	l.Intake.Add(claims...)
}

func (r *relisting) claim(claims ...verify.Claim) {
	for _, l := range r.lanes {
		for i := range claims {
			l.Claim(&claims[i])
		}
	}
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

// report compares for each lane whose log the export has. Where an event seems to have
// vanished or changed, the sources are listed once more.
func (r *relisting) report(ctx context.Context, logs []verify.Log) ([]*verify.ListingReport, error) {
	through := map[string]time.Time{}
	for _, l := range logs { // A lane that lost its state has several.
		through[l.Lane] = later(through[l.Lane], l.Through)
	}
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

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
