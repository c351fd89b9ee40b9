package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// servers are the counterparts of sluice, on loopback.
type servers struct {
	api, hec *http.Server
	syslog   net.Listener
	running  sync.WaitGroup

	apiURL, hecURL string
	logs           []*simulator.Server
	delays         delays
	measuring      atomic.Bool // events are being appended

	mu    sync.Mutex
	conns []net.Conn // of syslog
}

func organization(i int) string { return fmt.Sprintf("org-%04d", i) }

// serve starts the servers: a log for each source, an HTTP Event Collector, and a syslog
// receiver. The receivers keep nothing.
func (s *scale) serve() (_ *servers, err error) {
	v := &servers{}
	defer func() {
		if err != nil {
			v.close()
		}
	}()
	v.delays.visible = map[string]time.Time{}
	logs := map[string]http.Handler{}
	for i := range s.sources {
		name := organization(i)
		log := simulator.New(simulator.Config{
			Seed: uint64(i), Events: s.events, Spacing: s.spacing, Organization: name, CacheBytes: 1,
		})
		logs[name], v.logs = log, append(v.logs, log)
	}
	v.api = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1/organizations/"), "/")
		if log := logs[name]; log != nil {
			log.ServeHTTP(w, r)
			return
		}
		http.NotFound(w, r)
	})}
	v.hec = &http.Server{Handler: v.newCollector()}
	if v.apiURL, err = v.listen(v.api); err != nil {
		return nil, err
	}
	if v.hecURL, err = v.listen(v.hec); err != nil {
		return nil, err
	}
	if v.syslog, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	v.running.Go(v.readSyslog)
	return v, nil
}

// newCollector returns an HTTP Event Collector that looks at events only once some are
// appended, so that it is never what lanes wait for. It acknowledges each request as soon
// as it is asked.
func (v *servers) newCollector() http.Handler {
	var requests atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("POST /services/collector/event", func(w http.ResponseWriter, r *http.Request) {
		if err := v.take(r); err == nil {
			fmt.Fprintf(w, `{"text":"Success","code":0,"ackId":%d}`, requests.Add(1))
		}
	})
	mux.HandleFunc("POST /services/collector/ack", func(w http.ResponseWriter, r *http.Request) {
		var asked struct{ Acks []int64 }
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		indexed := map[int64]bool{}
		for _, id := range asked.Acks {
			indexed[id] = true
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"acks": indexed}) // a client that is gone asks again
	})
	return mux
}

// take reads a request.
func (v *servers) take(r *http.Request) error {
	if !v.measuring.Load() {
		_, err := io.Copy(io.Discard, r.Body)
		return err
	}
	text, err := body(r)
	v.delays.arrived(text)
	return err
}

func (v *servers) listen(server *http.Server) (url string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	v.running.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			panic(err) // a listener on loopback does not fail
		}
	})
	return "http://" + l.Addr().String(), nil
}

// readSyslog ends with the listener.
func (v *servers) readSyslog() {
	for {
		conn, err := v.syslog.Accept()
		if err != nil {
			return
		}
		v.mu.Lock()
		v.conns = append(v.conns, conn)
		v.mu.Unlock()
		v.running.Go(func() {
			v.readMessages(conn)
		})
	}
}

// readMessages reads until the connection ends. An id that is cut at the end of a read
// is missed.
func (v *servers) readMessages(conn net.Conn) {
	buf := make([]byte, 4<<10)
	for {
		n, err := conn.Read(buf)
		if v.measuring.Load() {
			v.delays.arrived(buf[:n])
		}
		if err != nil {
			return
		}
	}
}

func (v *servers) close() {
	for _, server := range []*http.Server{v.api, v.hec} {
		if server != nil {
			_ = server.Close()
		}
	}
	if v.syslog != nil {
		_ = v.syslog.Close()
	}
	v.mu.Lock()
	for _, conn := range v.conns {
		_ = conn.Close()
	}
	v.mu.Unlock()
	v.running.Wait()
}
