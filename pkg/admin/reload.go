package admin

import (
	"encoding/json"
	"net/http"
)

// Reload is the answer of /reload: what a reload of the configuration would do at this
// moment. The process reads the files itself, since they may refer to its environment and
// to secrets that only it may read. Nothing is changed.
type Reload struct {
	File      string   `json:"file"`      // of the configuration, as an absolute path
	Keys      []string `json:"keys"`      // that have another value, such as sinks.siem.settings.topic
	Started   []string `json:"started"`   // lanes
	Restarted []string `json:"restarted"` // lanes
	Stopped   []string `json:"stopped"`   // lanes
	Refused   []string `json:"refused"`   // why the reload would be refused as a whole; empty: it would not
	Hint      string   `json:"hint,omitempty"`
}

// serveReload reads the whole configuration at each request, so it answers one at a time.
func (d Deps) serveReload() http.HandlerFunc {
	turn := make(chan struct{}, 1)
	return func(w http.ResponseWriter, _ *http.Request) {
		select {
		case turn <- struct{}{}:
			defer func() { <-turn }()
		default:
			http.Error(w, "another request reads the configuration; ask again", http.StatusTooManyRequests)
			return
		}
		body, err := json.MarshalIndent(d.Reload(), "", "  ")
		if err != nil {
			d.fail(w, "reload", err)
			return
		}
		d.answer(w, http.StatusOK, "application/json", append(body, '\n'))
	}
}
