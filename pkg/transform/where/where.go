// Package where decides by an expression which events a sink is sent:
//
//	where: severity >= 3 or "iam" in category
//
// The language is that of github.com/expr-lang/expr, and the fields are those of
// the struct Fields. An expression is compiled and type-checked when the
// configuration is read, so that a name nobody knows, or a comparison of text
// with a number, is a problem of the configuration and no surprise at night.
// What metadata holds is not known before an event is there, so there, and only
// there, an expression can fail as it runs: metadata.n > 5 fails where n is
// missing, (metadata.n ?? 0) > 5 does not.
//
// # What is never filtered
//
// An expression judges what could be read. An event of which something could not
// (its Problem says what), and one by which Sluice tells of a gap, are kept
// whatever the expression says. So is an event on which the expression fails:
// to send too much is a nuisance, to send too little is a loss. The caller
// counts and tells such failures.
//
// What it does not do: change an event, see what enrichment adds or redaction
// takes away (it comes before both), or remember the events before.
package where

import (
	"fmt"
	"time"

	"github.com/expr-lang/expr/vm"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// Fields are what an expression can name. A null of the API is an empty text.
type Fields struct {
	ID           string         `expr:"id"`
	Time         time.Time      `expr:"time"`         // when it happened
	Organization string         `expr:"organization"` // as configured
	Action       string         `expr:"action"`       // such as "deploy_request.queued"
	Verb         string         `expr:"verb"`         // such as "queued"
	Category     []string       `expr:"category"`     // ECS event.category, from the catalogue
	Type         []string       `expr:"type"`         // ECS event.type, from the catalogue
	Severity     int            `expr:"severity"`     // 0 to 10, from the catalogue
	Actor        Party          `expr:"actor"`        // its type is "System" where nobody is named
	Auditable    Party          `expr:"auditable"`
	Target       Party          `expr:"target"`
	RemoteIP     string         `expr:"remote_ip"` // as sent
	Location     string         `expr:"location"`
	Metadata     map[string]any `expr:"metadata"` // empty where it is no object
	Late         bool           `expr:"late"`
}

// Party is an actor or an object.
type Party struct {
	ID   string `expr:"id"`
	Type string `expr:"type"` // such as "User", "ServiceToken", "DeployRequest"
	Name string `expr:"name"` // as displayed
}

// Filter judges events by an Expression. It is not safe for concurrent use.
type Filter struct {
	expression Expression
	catalogue  *transform.Catalogue
	machine    vm.VM
	fields     Fields
}

// Filter returns a filter that takes severities and categories from a
// catalogue, the built-in one if that is nil.
func (x Expression) Filter(catalogue *transform.Catalogue) *Filter {
	return &Filter{expression: x, catalogue: catalogue, fields: Fields{Metadata: map[string]any{}}}
}

// Keeps reports whether e is to be sent. With an error, which is of an
// expression that fails on this event, it is.
func (f *Filter) Keeps(e *source.Event) (bool, error) {
	if e.Gap || e.Problem != "" {
		return true, nil
	}
	f.read(e)
	result, err := f.machine.Run(f.expression.program, &f.fields)
	if err != nil {
		return true, fmt.Errorf("where: event %.80q: %s", e.ID, explain(err))
	}
	return result != false, nil
}

func (f *Filter) read(e *source.Event) {
	action := f.catalogue.Lookup(e.Action)
	metadata := f.fields.Metadata
	f.fields = Fields{
		ID: e.ID, Time: e.Time, Organization: e.Organization, Action: e.Action, Verb: e.Verb,
		Category: action.Categories, Type: action.Types, Severity: action.Severity,
		Actor:     Party{ID: e.Actor.ID, Type: transform.ActorType(e), Name: e.Actor.Name},
		Auditable: Party(e.Auditable), Target: Party(e.Target),
		RemoteIP: e.RemoteIP, Location: e.Location, Metadata: metadata, Late: e.Late,
	}
	if f.expression.metadata.mentioned {
		clear(metadata)
		f.expression.metadata.read(metadata, e.Metadata)
	}
}
