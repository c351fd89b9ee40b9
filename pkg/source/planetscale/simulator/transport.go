package simulator

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Transport calls the server directly, without a socket or a goroutine. So the clock of
// a testing/synctest bubble advances. It answers requests to any host, and Requests
// names the host of each.
//
// As over a network, a cut body ends in io.ErrUnexpectedEOF, and the end of a context
// interrupts the wait for an answer or for the rest of a body.
func (s *Server) Transport() http.RoundTripper { return transport{s} }

// Client is an http.Client over Transport.
func (s *Server) Client() *http.Client { return &http.Client{Transport: s.Transport()} }

type transport struct{ server *Server }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		if err := r.Body.Close(); err != nil {
			return nil, fmt.Errorf("simulator: closing the request's body: %w", err)
		}
	}
	asked := r.Clone(r.Context())
	if asked.Host == "" {
		asked.Host = r.URL.Host
	}
	a, err := t.server.answer(asked)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		Status:        fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)),
		StatusCode:    a.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        a.header,
		Body:          newBody(r.Context(), a),
		ContentLength: int64(len(a.body)),
		Request:       r,
	}, nil
}

// body is the body of an answer as the client reads it.
type body struct {
	ctx   context.Context
	ready []byte // can be read at once
	stall time.Duration
	rest  []byte // follows the stall
	end   error
}

func newBody(ctx context.Context, a answer) *body {
	b := &body{ctx: ctx, ready: a.body, end: io.EOF}
	if a.cut || a.stall > 0 {
		half := len(a.body) / 2
		b.ready, b.stall, b.rest = a.body[:half], a.stall, a.body[half:]
	}
	if a.cut {
		b.rest, b.end = nil, io.ErrUnexpectedEOF
	}
	return b
}

func (b *body) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	if len(b.ready) == 0 && b.stall > 0 {
		if err := wait(b.ctx, b.stall); err != nil {
			return 0, err
		}
		b.stall = 0
	}
	if len(b.ready) == 0 {
		b.ready, b.rest = b.rest, nil
	}
	if len(b.ready) == 0 {
		return 0, b.end
	}
	n := copy(p, b.ready)
	b.ready = b.ready[n:]
	return n, nil
}

// Close makes further reads fail, as those of a real body do.
func (b *body) Close() error {
	b.ready, b.rest, b.stall, b.end = nil, nil, 0, http.ErrBodyReadAfterClose
	return nil
}
