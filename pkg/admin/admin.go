// Package admin serves what operators and their monitoring ask of a running
// Sluice: /metrics for Prometheus, /healthz, /readyz, and a status page.
//
// It pulls: at each request it asks for snapshots, and between requests it costs
// nothing. It changes nothing, so it answers GET alone, and it shows no secrets;
// lane names, times and the reasons of failures it does show, so it belongs on
// loopback or a private network.
//
// /healthz is for restarting: it says that the process runs, and a process that
// cannot reach its sink runs. /readyz is for people and alerts.
package admin

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/source"
)

// Deps is where the answers come from. All of it is called concurrently, and
// needed unless nil is said to mean something.
type Deps struct {
	Lanes       func() []pipeline.Status
	Sources     func() map[string]source.Usage // by name
	DeadLetters DeadLetters                    // nil: they are not kept in files
	Group       func() error                   // why it is not known which lanes this replica owns; nil if it is, or if there are no replicas
	Hosts       []string                       // names that the server answers to beside localhost and IP addresses
	Version     string                         // of Sluice
	Log         zerolog.Logger
}

// trouble is why it is not known which lanes this replica owns.
func (d Deps) trouble() error {
	if d.Group == nil {
		return nil
	}
	return d.Group()
}

// DeadLetters is what a store of dead letters can tell.
type DeadLetters interface {
	Count(lane string) (int, error) // letters of a lane
	Size() (int64, error)           // bytes of all lanes
	MaxBytes() int64                // that they may take
}

// Limits of requests and connections, far above what a scrape or a person needs.
const (
	headerTimeout   = 5 * time.Second
	requestTimeout  = 10 * time.Second
	answerTimeout   = 30 * time.Second
	idleTimeout     = 10 * time.Second
	maxHeaderBytes  = 16 << 10
	maxConnections  = 64
	scrapesAtOnce   = 4
	shutdownTimeout = 3 * time.Second
)

// Serve answers requests on listener until ctx ends, and then lets answers under
// way finish for up to three seconds. It closes listener. The error is of a
// listener that failed; that ctx ended is none. Of 64 connections that are open the
// next one waits until one of them ends, which one that asks nothing does after ten
// seconds at most.
func Serve(ctx context.Context, listener net.Listener, deps Deps) error {
	server := &http.Server{
		Handler:           Handler(deps),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          errorLog(deps.Log),
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := server.Serve(limit(listener, maxConnections)); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		if err := server.Shutdown(ending); err != nil {
			return server.Close()
		}
		return nil
	})
	return group.Wait()
}

// Handler answers what Serve does.
func Handler(deps Deps) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(Registry(deps), promhttp.HandlerOpts{
		// A number that cannot be had must not hide the others.
		ErrorHandling:       promhttp.ContinueOnError,
		ErrorLog:            errorLog(deps.Log),
		MaxRequestsInFlight: scrapesAtOnce,
	}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		deps.answer(w, http.StatusOK, "text/plain; charset=utf-8", []byte("ok\n"))
	})
	mux.HandleFunc("GET /readyz", deps.serveReady)
	mux.HandleFunc("GET /{$}", deps.servePage)
	return guard(mux, deps.Hosts)
}

func (d Deps) answer(w http.ResponseWriter, status int, mediaType string, body []byte) {
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		d.Log.Debug().Err(err).Msg("admin: the client went away")
	}
}

func (d Deps) fail(w http.ResponseWriter, what string, err error) {
	d.Log.Error().Err(err).Str("page", what).Msg("admin: cannot answer")
	http.Error(w, "cannot answer; the log says why", http.StatusInternalServerError)
}
