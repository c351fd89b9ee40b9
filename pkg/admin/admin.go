// Package admin is the HTTP server for operators and monitoring: /metrics for
// Prometheus, /healthz, /readyz, and at every other path the console (package console).
//
// Its own paths take snapshots at each request, and do nothing between requests. It
// changes nothing, so it answers only GET. It shows no secrets, but it does show lane
// names, times and the reasons of failures, so it belongs on loopback or a private network.
// Only the console and /reload ask for a token: monitoring needs the other paths.
//
// /healthz decides about restarts: it reports that the process runs, even if a sink
// cannot be reached. /readyz is for people and alerts.
package admin

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-siem/sluice/pkg/internal/cadence"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source"
)

// Deps is what the server reads. Its functions are called concurrently. Every field
// is required unless its comment gives a meaning to nil.
type Deps struct {
	Lanes         func() []pipeline.Status
	Sources       func() map[string]source.Usage // by name
	Memory        func() source.MemoryUsage      // of all lanes
	DeadLetters   DeadLetters                    // nil: they are not stored in files
	Group         func() error                   // the reason why it is unknown which lanes this replica owns; it returns nil if that is known; nil: there are no replicas
	Configuration func() Configuration           // how the latest reload went; nil: there are no reloads
	Reload        func() Reload                  // what a reload would do; nil: there are no reloads
	Console       http.Handler                   // the pages for people; its requests end when the server does
	Token         setting.Secret                 // that the console asks for; unset: none
	TLS           *setting.ServerTLS             // certificate of the server; nil: it speaks plain HTTP
	Hosts         []string                       // host names that the server accepts besides localhost and IP addresses
	Version       string                         // of Sluice
	Log           zerolog.Logger
}

// Configuration says which configuration is in force.
type Configuration struct {
	Loaded    time.Time // when the configuration that is in force was loaded
	Refused   []string  // why the latest reload was refused, each problem with file, line and key; none: it was not
	RefusedAt time.Time // when; zero if it was not
}

// trouble returns why it is unknown which lanes this replica owns, nil if it is
// known.
func (d Deps) trouble() error {
	if d.Group == nil {
		return nil
	}
	return d.Group()
}

// DeadLetters reports how full a store of dead letters is.
type DeadLetters interface {
	Count(lane string) (int, error) // dead letters of a lane
	Size() (int64, error)           // bytes of the dead letters of all lanes
	MaxBytes() int64                // limit of Size
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

// Serve answers requests on listener until ctx ends, and then gives unfinished
// answers up to three seconds. It closes listener. It returns an error only if
// listener failed. At most 64 connections are open at once; a further one takes the place
// of one that says nothing, or else waits. A connection without a request is closed after
// at most ten seconds.
func Serve(ctx context.Context, listener net.Listener, deps Deps) error {
	server := &http.Server{
		Handler:           answering(Handler(deps)),
		ConnContext:       withPlaced,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          errorLog(deps.Log),
	}
	served := limit(listener, maxConnections)
	if deps.TLS != nil {
		// Outside the limit, so that net/http sees TLS and can tell a client that speaks none.
		served = tls.NewListener(served, deps.TLS.Config(deps.certificateFailed()))
	}
	group, ctx := errgroup.WithContext(ctx)
	// A stream of the console lasts until its request ends.
	server.BaseContext = func(net.Listener) context.Context { return ctx }
	group.Go(func() error {
		if err := server.Serve(served); !errors.Is(err, http.ErrServerClosed) {
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

// certificateFailed returns a function that logs that the certificate cannot be read. Each
// connection reads it.
func (d Deps) certificateFailed() func(error) {
	var told cadence.Cadence
	return func(err error) {
		if told.Due(err.Error()) {
			d.Log.Error().Err(err).Msg("admin.tls: the files cannot be read; the former certificate is used")
		}
	}
}

// Handler returns the handler that Serve uses.
func Handler(deps Deps) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(Registry(deps), promhttp.HandlerOpts{
		// A metric that fails must not hide the others.
		ErrorHandling:       promhttp.ContinueOnError,
		ErrorLog:            errorLog(deps.Log),
		MaxRequestsInFlight: scrapesAtOnce,
	}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		deps.answer(w, http.StatusOK, "text/plain; charset=utf-8", []byte("ok\n"))
	})
	mux.HandleFunc("GET /readyz", deps.serveReady)
	pages := deps.Console
	if deps.Reload != nil {
		both := http.NewServeMux()
		both.Handle("/reload", deps.serveReload())
		both.Handle("/", deps.Console)
		pages = both
	}
	mux.Handle("GET /", newAccess(pages, deps.Token, deps.Log))
	return guard(mux, deps.Hosts)
}

func (d Deps) answer(w http.ResponseWriter, status int, mediaType string, body []byte) {
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		d.Log.Debug().Err(err).Msg("admin: client disconnected")
	}
}

func (d Deps) fail(w http.ResponseWriter, what string, err error) {
	d.Log.Error().Err(err).Str("page", what).Msg("admin: answer failed")
	http.Error(w, "internal error; see Sluice's log", http.StatusInternalServerError)
}
