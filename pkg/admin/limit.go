package admin

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// quietTime is how long a connection keeps its place although no request of it is being
// answered and another one needs the place. That is enough for a client to send its
// request. It is short, so that many silent connections hardly delay the health check that
// waits behind them.
const quietTime = 50 * time.Millisecond

// limit limits how many connections of a listener are open at once. A further one takes
// the place of the connection that has gone longest without a request being answered. So
// whoever opens connections and sends nothing on them keeps nobody out. A connection whose
// request is being answered keeps its place; if all do, a further one waits.
func limit(l net.Listener, most int) net.Listener {
	return &limited{
		Listener: l, most: most, open: map[*placed]struct{}{},
		changed: make(chan struct{}, 1), closed: make(chan struct{}),
	}
}

type limited struct {
	net.Listener
	most    int
	changed chan struct{} // tells Accept to look for a place again
	closed  chan struct{}
	once    sync.Once

	mu   sync.Mutex
	open map[*placed]struct{}
}

// placed is a connection that has a place. The limit guards its fields.
type placed struct {
	net.Conn
	of      *limited
	answers int       // requests being answered
	quiet   time.Time // since when there are none
}

// Accept waits for a connection, and then for a place.
func (l *limited) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &placed{Conn: conn, of: l}
	for wait := l.place(c); wait > 0; wait = l.place(c) {
		select {
		case <-time.After(wait):
		case <-l.changed:
		case <-l.closed:
			return nil, errors.Join(net.ErrClosed, conn.Close())
		}
	}
	return c, nil
}

// place gives c a place, or returns how long to wait before the next attempt.
func (l *limited) place(c *placed) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.open) >= l.most {
		var oldest *placed
		for o := range l.open {
			if o.answers == 0 && (oldest == nil || o.quiet.Before(oldest.quiet)) {
				oldest = o
			}
		}
		if oldest == nil {
			return time.Hour // changed tells when there is one.
		}
		if wait := quietTime - time.Since(oldest.quiet); wait > 0 {
			return wait
		}
		delete(l.open, oldest)
		_ = oldest.Conn.Close() // The server closes it again, and nothing was to be written.
	}
	c.quiet = time.Now()
	l.open[c] = struct{}{}
	return 0
}

// change changes the places, and tells Accept.
func (l *limited) change(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

func (c *placed) Close() error {
	c.of.change(func() { delete(c.of.open, c) })
	return c.Conn.Close()
}

type placedKey struct{}

// withPlaced puts the connection of a limit into the context of its requests.
func withPlaced(ctx context.Context, conn net.Conn) context.Context {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	return context.WithValue(ctx, placedKey{}, conn)
}

// answering has connections keep their places while next answers their requests.
func answering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := r.Context().Value(placedKey{}).(*placed)
		c.of.change(func() { c.answers++ })
		defer c.of.change(func() { c.answers, c.quiet = c.answers-1, time.Now() })
		next.ServeHTTP(w, r)
	})
}
