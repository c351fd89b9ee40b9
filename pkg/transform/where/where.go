// Package where decides by an expression which events a sink gets:
//
//	where: severity >= 3 or "iam" in category
//
// The language is that of github.com/expr-lang/expr. The fields are those of the struct
// Fields. The objects of an event have the product's names. An expression is compiled and
// type-checked when the configuration is read, so an unknown name, or a comparison of text
// with a number, is a problem of the configuration. Only the content of metadata is
// unknown until an event arrives, so only there an expression can fail at run time:
// metadata.n > 5 fails if n is missing, (metadata.n ?? 0) > 5 does not.
//
// # What is never filtered
//
// These events are kept whatever the expression is: an event with a Problem, since a part
// of it could not be read; the event by which Sluice reports a gap; and an event on which
// the expression fails. To send too much is a nuisance, to send too little is a loss. The
// caller counts and reports such failures.
//
// A filter does not change events or remember earlier ones. It runs before enrichment and
// redaction, and does not see their results.
package where

import (
	"fmt"
	"time"

	"github.com/expr-lang/expr/vm"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// Fields are the fields that an expression can name. A null of the API is an empty text.
type Fields struct {
	ID           string         `expr:"id"`
	Time         time.Time      `expr:"time"`         // when it happened
	Organization string         `expr:"organization"` // as configured
	Action       string         `expr:"action"`       // such as "deploy_request.queued"
	Verb         string         `expr:"verb"`         // such as "queued"
	Category     []string       `expr:"category"`     // ECS event.category, from the catalogue
	Type         []string       `expr:"type"`         // ECS event.type, from the catalogue
	Severity     int            `expr:"severity"`     // 0 to 10, from the catalogue; at least 8 with OwnToken
	Actor        Party          `expr:"actor"`        // its type is "System" if the event has no actor
	First        Party          // of the objects, by the product's name for it
	Second       Party          // likewise
	RemoteIP     string         `expr:"remote_ip"` // as sent
	Location     string         `expr:"location"`
	Metadata     map[string]any `expr:"metadata"` // empty if it is not an object
	Late         bool           `expr:"late"`
	Replayed     bool           `expr:"replayed"`  // sent again by sluice replay
	OwnToken     bool           `expr:"own_token"` // about the token with which Sluice reads the log
}

// Party is an actor or an object.
type Party struct {
	ID   string `expr:"id"`
	Type string `expr:"type"` // such as "User", "ServiceToken", "DeployRequest"
	Name string `expr:"name"` // as displayed
}

// Filter judges events by an Expression. It is not safe for concurrent use.
type Filter struct {
	program   *vm.Program
	metadata  mention
	explain   func(error) string
	catalogue *transform.Catalogue
	machine   vm.VM
	fields    Fields
	names     any // fields, under the names that the expression knows
}

// Filter returns a filter for the events of a product. Severities and categories come
// from the catalogue. The error is that of an expression with a name that those events do
// not have.
func (x Expression) Filter(p *source.Product, catalogue *transform.Catalogue) (*Filter, error) {
	v := vocabularyOf(p)
	program, err := v.compile(x.text)
	if err != nil {
		return nil, fmt.Errorf("where: %w", err)
	}
	f := &Filter{
		program: program, metadata: mentionIn(program.Node()), explain: v.explain,
		catalogue: catalogue, fields: Fields{Metadata: map[string]any{}},
	}
	f.names = v.over(&f.fields)
	return f, nil
}

// Keeps reports whether the sink gets e. If the expression fails on e, it returns true and
// the error.
func (f *Filter) Keeps(e *source.Event) (bool, error) {
	if e.Gap || e.Audit || e.Problem != "" {
		return true, nil
	}
	f.read(e)
	result, err := f.machine.Run(f.program, f.names)
	if err != nil {
		return true, fmt.Errorf("where: event %.80q: %s", e.ID, f.explain(err))
	}
	return result != false, nil
}

func (f *Filter) read(e *source.Event) {
	action := f.catalogue.Of(e)
	metadata := f.fields.Metadata
	f.fields = Fields{
		ID: e.ID, Time: e.Time, Organization: e.Organization, Action: e.Action, Verb: e.Verb,
		Category: action.Categories, Type: action.Types, Severity: action.Severity,
		Actor: Party{ID: e.Actor.ID, Type: transform.ActorType(e), Name: e.Actor.Name},
		First: Party(e.Objects[0]), Second: Party(e.Objects[1]),
		RemoteIP: e.RemoteIP, Location: e.Location, Metadata: metadata, Late: e.Late, Replayed: e.Replayed, OwnToken: e.OwnToken,
	}
	if f.metadata.mentioned {
		clear(metadata)
		f.metadata.read(metadata, e.Metadata)
	}
}
