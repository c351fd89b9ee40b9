package admin

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/source"
)

// Readiness is the answer of /readyz.
type Readiness struct {
	Ready  bool   `json:"ready"`            // all lanes are ready, or wait because somebody paused them
	Reason string `json:"reason,omitempty"` // why not, if it is not about one lane
	Lanes  []Lane `json:"lanes"`
}

// Lane is the state of a lane in /readyz. Unknown times are null.
type Lane struct {
	Lane        string     `json:"lane"`
	Owned       bool       `json:"owned"` // by this replica; if false, another one runs it
	Ready       bool       `json:"ready"`
	Reason      string     `json:"reason,omitempty"`   // why it is not ready
	Paused      *Paused    `json:"paused,omitempty"`   // somebody paused it, so it is not ready
	Warnings    []string   `json:"warnings,omitempty"` // what to mend, although it is no reason not to be ready
	CatchingUp  bool       `json:"catching_up"`
	LagSeconds  float64    `json:"lag_seconds"`
	LastRead    *time.Time `json:"last_read"`
	LastPublish *time.Time `json:"last_publish"`
	Position    Position   `json:"position"`
}

// Paused is who paused a lane.
type Paused struct {
	Since  *time.Time `json:"since"`
	By     string     `json:"by"`
	Reason string     `json:"reason"`
}

// Position describes the last saved checkpoint of a lane in times.
type Position struct {
	Event   *time.Time `json:"event"`   // time of the newest delivered event
	Floor   *time.Time `json:"floor"`   // every event before it is settled
	Through *time.Time `json:"through"` // every event listed until then is delivered
	Expires *time.Time `json:"expires"` // when the source deletes the events after the position
}

// readiness judges the lanes that this replica owns. A configuration without lanes
// delivers nothing, so it is not ready. A replica that owns no lane is ready: it
// stands by. A lane that somebody paused, and that has no other trouble, does what it was
// told, so it does not count.
func readiness(lanes []pipeline.Status, group error) Readiness {
	r := Readiness{Ready: len(lanes) > 0 && group == nil, Lanes: []Lane{}}
	switch {
	case group != nil:
		r.Reason = group.Error()
	case len(lanes) == 0:
		r.Reason = "no lane runs"
	}
	for _, s := range lanes {
		if s.Elsewhere {
			r.Lanes = append(r.Lanes, Lane{Lane: s.Lane})
			continue
		}
		r.Ready = r.Ready && (s.Ready || s.Paused != nil && len(s.Troubles) == 0)
		r.Lanes = append(r.Lanes, Lane{
			Lane: s.Lane, Owned: true, Ready: s.Ready, Reason: s.Reason, Paused: paused(s.Paused), Warnings: warnings(s.Refused), CatchingUp: s.CatchingUp,
			LagSeconds: s.Lag.Seconds(), LastRead: known(s.Reader.LastRead), LastPublish: known(s.LastPublished),
			Position: position(s.Position),
		})
	}
	return r
}

func warnings(list []pipeline.Trouble) (texts []string) {
	for _, t := range list {
		texts = append(texts, t.String())
	}
	return texts
}

func paused(p *pipeline.Pause) *Paused {
	if p == nil {
		return nil
	}
	return &Paused{Since: known(p.Since), By: p.By, Reason: p.Reason}
}

func position(d source.Description) Position {
	return Position{Event: known(d.Event), Floor: known(d.Floor), Through: known(d.Through), Expires: known(d.Expires)}
}

// known returns t, or nil if t is zero or outside what JSON can represent. The
// source chooses some times, and a wild one must not make the whole answer fail.
func known(t time.Time) *time.Time {
	t = t.UTC()
	if t.IsZero() || t.Year() < 0 || t.Year() > 9999 {
		return nil
	}
	return &t
}

func (d Deps) serveReady(w http.ResponseWriter, _ *http.Request) {
	r := readiness(d.Lanes(), d.trouble())
	body, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		d.fail(w, "readyz", err)
		return
	}
	status := http.StatusOK
	if !r.Ready {
		status = http.StatusServiceUnavailable
	}
	d.answer(w, status, "application/json", append(body, '\n'))
}
