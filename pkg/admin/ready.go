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
	Ready  bool   `json:"ready"`            // all lanes are
	Reason string `json:"reason,omitempty"` // why not, where no lane can say
	Lanes  []Lane `json:"lanes"`
}

// Lane is what /readyz says of a lane. Times that are not known are null.
type Lane struct {
	Lane        string     `json:"lane"`
	Owned       bool       `json:"owned"` // by this replica; another runs it otherwise
	Ready       bool       `json:"ready"`
	Reason      string     `json:"reason,omitempty"` // why it is not ready
	CatchingUp  bool       `json:"catching_up"`
	LagSeconds  float64    `json:"lag_seconds"`
	LastRead    *time.Time `json:"last_read"`
	LastPublish *time.Time `json:"last_publish"`
	Position    Position   `json:"position"`
}

// Position is what the last saved checkpoint of a lane means.
type Position struct {
	Event   *time.Time `json:"event"`   // of the newest event delivered
	Floor   *time.Time `json:"floor"`   // everything before it is settled
	Through *time.Time `json:"through"` // everything listed until then is delivered
	Expires *time.Time `json:"expires"` // when the source forgets what comes after it
}

// readiness judges the lanes that this replica owns. Without any in the
// configuration nothing is delivered, and that is not ready; a replica that owns
// none stands by.
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
		r.Ready = r.Ready && s.Ready
		r.Lanes = append(r.Lanes, Lane{
			Lane: s.Lane, Owned: true, Ready: s.Ready, Reason: s.Reason, CatchingUp: s.CatchingUp,
			LagSeconds: s.Lag.Seconds(), LastRead: known(s.Reader.LastRead), LastPublish: known(s.LastPublished),
			Position: position(s.Position),
		})
	}
	return r
}

func position(d source.Description) Position {
	return Position{Event: known(d.Event), Floor: known(d.Floor), Through: known(d.Through), Expires: known(d.Expires)}
}

// known is t, or nil if it is zero. The source chooses some times, and one that
// JSON cannot state must not take the whole answer with it.
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
