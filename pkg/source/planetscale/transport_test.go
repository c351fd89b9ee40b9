package planetscale

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// relay is a connection whose other side can disappear while this side still accepts what
// is written, as with a relay whose kernel still acknowledges.
type relay struct {
	net.Conn
	gone   <-chan struct{}
	closed chan struct{}
	once   sync.Once
}

func (r *relay) Write(b []byte) (int, error) {
	select {
	case <-r.gone:
		return len(b), nil
	default:
		return r.Conn.Write(b)
	}
}

func (r *relay) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	select {
	case <-r.gone:
		<-r.closed
		return 0, net.ErrClosed
	default:
		return n, err
	}
}

func (r *relay) Close() error {
	r.once.Do(func() { close(r.closed) })
	return r.Conn.Close()
}

// A connection whose other side has disappeared is replaced within a bounded time, over
// HTTP/2 and HTTP/1.1. Every new connection would work.
func TestDeadConnectionIsReplaced(t *testing.T) {
	for _, protocol := range []string{"h2", "http/1.1"} {
		t.Run(protocol, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				certificate := httptest.NewUnstartedServer(nil)
				certificate.StartTLS() // used only for its certificate
				cert := certificate.TLS.Certificates[0]
				certificate.Close()
				pipe := simulator.NewPipeListener()
				var spoken string
				api := simulator.New(simulator.Config{Events: 3})
				server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					spoken = r.Proto
					api.ServeHTTP(w, r)
				}), TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{protocol}}}
				served := make(chan error, 1)
				go func() { served <- server.ServeTLS(pipe, "", "") }()

				first, dials := make(chan struct{}), 0
				transport := newTransport()
				transport.Proxy = nil
				transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
				transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
					conn, err := pipe.DialContext(ctx, network, address)
					if dials++; dials > 1 || err != nil {
						return conn, err
					}
					return &relay{Conn: conn, gone: first, closed: make(chan struct{})}, nil
				}
				settings := Defaults
				settings.Organization, settings.AccessToken, settings.URL = "acme", setting.NewSecret("token"), "https://api.test"
				s, err := New(settings, Options{Transport: transport})
				if err != nil {
					t.Fatal(err)
				}
				ask := func() error { _, err := s.Check(t.Context()); return err }
				if err := ask(); err != nil {
					t.Fatalf("the first request: %v", err)
				}
				if want := map[string]string{"h2": "HTTP/2.0", "http/1.1": "HTTP/1.1"}[protocol]; spoken != want {
					t.Errorf("got %s, want %s", spoken, want)
				}
				close(first)
				began := time.Now()
				for err = ask(); err != nil && time.Since(began) < 10*time.Minute; err = ask() {
					if e := (*source.Error)(nil); !errors.As(err, &e) || e.Class != source.Unavailable {
						t.Errorf("got %v, want an error of class unavailable", err)
					}
				}
				if took := time.Since(began); err != nil || took > 40*time.Second {
					t.Errorf("got %v after %s, want an answer within 40s", err, took)
				} else {
					t.Logf("%s: an answer %s after the other side was gone", protocol, took)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				if err := server.Close(); err != nil {
					t.Error(err)
				}
				if err := <-served; !errors.Is(err, http.ErrServerClosed) {
					t.Error(err)
				}
				transport.CloseIdleConnections()
			})
		})
	}
}
