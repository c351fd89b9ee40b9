package console

import (
	"bytes"
	"context"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Policy is the Content-Security-Policy of every page: it allows the style and the script
// of the console and no other, and nothing within a page.
const Policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// console serves the pages.
type console struct {
	deps     Deps
	history  *History
	activity *Activity
	streams  chan struct{} // holds one element for each open stream

	recent struct {
		sync.Mutex
		*snapshot
	}
}

// Handler returns the pages, their assets and the stream that keeps them up to date. It
// answers GET of /, /lanes/{source}/{sink}, /events, /events/{key}, /live and /assets/.
// The caller sets the header Content-Security-Policy to Policy.
func Handler(deps Deps, h *History, a *Activity) http.Handler {
	c := &console{deps: deps, history: h, activity: a, streams: make(chan struct{}, maxStreams)}
	mux := http.NewServeMux()
	for _, pattern := range []string{"GET /{$}", "GET /lanes/{source}/{sink}", "GET /events", "GET /events/{key}"} {
		mux.HandleFunc(pattern, c.servePage)
	}
	mux.HandleFunc("GET /live", c.serveLive)
	mux.HandleFunc("GET /assets/{name}", serveAsset)
	return mux
}

// page is what a page shows.
type page struct {
	Title   string
	Icon    string // name of an asset
	Nav     string // which link of the navigation leads here
	Path    string // of the page, with its query
	Version string
	Now     time.Time
	Content []fragment
	Still   bool // it does not change
}

// errNotFound is an address that nothing is at.
var errNotFound = errors.New("not found")

// page returns the page of an address of this server.
func (c *console) page(ctx context.Context, address *url.URL, take func() *snapshot) (*page, error) {
	p := &page{Path: address.RequestURI(), Version: c.deps.Version}
	query := address.Query()
	segments := strings.Split(strings.Trim(address.Path, "/"), "/")
	switch {
	case address.Path == "/":
		return c.overview(p, take(), query)
	case segments[0] == "lanes" && len(segments) == 3:
		return c.lanePage(p, take(), segments[1], segments[2])
	case segments[0] == "events" && len(segments) == 1:
		return c.eventsPage(p, take(), query)
	case segments[0] == "events" && len(segments) == 2:
		return c.eventPage(ctx, p, take(), segments[1])
	}
	return nil, errNotFound
}

func (c *console) servePage(w http.ResponseWriter, r *http.Request) {
	status := http.StatusOK
	p, err := c.page(r.Context(), r.URL, c.snapshot)
	if errors.Is(err, errNotFound) {
		status = http.StatusNotFound
		p, err = c.lost(r.URL), nil
	}
	var body []byte
	if err == nil {
		body, err = p.render()
	}
	if err != nil {
		http.Error(w, "the page could not be made: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client is gone
}

// lost is the page of an address that nothing is at: a lane that is no longer configured,
// or an event that is no longer remembered.
func (c *console) lost(address *url.URL) *page {
	text := "There is no page at this address."
	switch {
	case strings.HasPrefix(address.Path, "/lanes/"):
		text = "No lane has this name. The configuration may have changed."
	case strings.HasPrefix(address.Path, "/events/"):
		text = "Sluice does not remember this event, or no longer. What was delivered is at its destination."
	}
	return &page{
		Title: "Not found", Icon: "idle.svg", Path: address.RequestURI(), Version: c.deps.Version, Now: time.Now(), Still: true,
		Content: []fragment{{id: "lost", template: "lost", data: text}},
	}
}

// render returns the page as HTML.
func (p *page) render() ([]byte, error) {
	content := make([]template.HTML, 0, len(p.Content))
	for _, f := range p.Content {
		r, err := f.render()
		if err != nil {
			return nil, err
		}
		content = append(content, template.HTML(r.html))
	}
	var body bytes.Buffer
	err := templates.ExecuteTemplate(&body, "page", struct {
		*page
		Fragments []template.HTML
	}{p, content})
	return body.Bytes(), err
}
