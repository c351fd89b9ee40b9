// Package console is the page for people at admin.listen: does everything arrive, what is
// wrong and since when, and what happened in the organizations lately.
//
// The server renders every page, so it can be read without a script. A script keeps it up
// to date. The console is read-only: what changes something stays on the command line.
//
// # What it remembers
//
// Everything else of the admin server is a snapshot. The console also remembers, in
// memory only: samples of each lane over 24 hours (History), and the events that the
// lanes read lately (Activity). A restart begins anew, and the page says since when it
// remembers.
//
// # Hostile text
//
// Names, addresses and errors are text from elsewhere. The templates escape them, and a
// strict Content-Security-Policy forbids scripts and styles within a page. Events are
// personal data: they are shown only if Deps.Private is true.
//
// # Files
//
//   - what is remembered: history.go, activity.go
//   - what a page shows: snapshot.go for the lanes at one time, summary.go for the sentence
//     at the top, flow.go, chart.go, heat.go and event.go; words.go writes numbers and times
//   - how it gets to a person: page.go and overview.go for the addresses, fragment.go with template/ for
//     HTML, asset.go with asset/ for style, script and icons, live.go for what changes
package console

import (
	"context"
	"time"

	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// Deps is what the console reads. Its functions are called concurrently. Every field is
// required unless its comment gives a meaning to nil.
type Deps struct {
	Lanes       func() []pipeline.Status
	Sources     func() map[string]source.Usage           // by name
	Memory      func() source.MemoryUsage                // of all lanes
	DeadLetters func(lane string) (count int, err error) // nil: they are not stored in files
	Group       func() error                             // why it is unknown which lanes this replica owns; nil: there are no replicas
	Refused     func() (problems []string, at time.Time) // why and when the latest reload of the configuration was refused; no problem: it was not; nil: there are no reloads
	Target      func(sink string) string                 // where a sink delivers to, for people, such as "localhost:9092, topic planetscale.audit"; empty if it is unknown
	Render      func(ctx context.Context, e Kept) []Rendering
	Private     bool   // only people who may see personal data can reach the console
	Version     string // of Sluice
}

// Rendering is what a sink gets of an event.
type Rendering struct {
	Sink, Format string
	Body         string            // of the record; empty if there is none
	Fields       []transform.Field // with the rule of each; nil if the format cannot explain
	Withheld     string            // why there is no record: filtered by where, or what failed
	Note         string            // what failed although there is a record; may be empty
}
