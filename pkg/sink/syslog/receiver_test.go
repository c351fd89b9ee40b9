package syslog_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-siem/sluice/pkg/sink/syslog"
)

// receiver takes octet-counted messages over TCP, or TLS if tls is set. It takes only
// whole messages.
type receiver struct {
	tb       testing.TB
	settings syslog.Settings // that what arrives is judged by
	tls      *tls.Config

	mu       sync.Mutex
	more     *sync.Cond // a message was taken
	address  string     // once listening, the same ever after
	listener net.Listener
	conns    map[net.Conn]bool
	accepted int
	taken    []message
	left     int               // messages taken before it breaks; negative: any number
	every    int               // not 0: the connections are reset after each so many messages
	ends     func(string) bool // not nil: whether the connection ends over a message with this text, which is not taken
	hung     chan struct{}     // not nil: connections are accepted and nothing more
	met      bool              // hung is closed
	serving  sync.WaitGroup
}

func newReceiver(t testing.TB, config *tls.Config) *receiver {
	r := &receiver{tb: t, tls: config, address: "127.0.0.1:0", conns: make(map[net.Conn]bool), left: -1}
	r.more = sync.NewCond(&r.mu)
	r.listen()
	r.settings = settings(t, r.url())
	t.Cleanup(func() {
		r.stop()
		r.serving.Wait()
	})
	return r
}

func (r *receiver) url() string {
	if r.tls != nil {
		return "tls://" + r.address
	}
	return "tcp://" + r.address
}

func (r *receiver) listen() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.listener != nil {
		return
	}
	l, err := net.Listen("tcp", r.address)
	if err != nil {
		r.tb.Error(err)
		return
	}
	r.listener, r.address = l, l.Addr().String()
	r.serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			r.serving.Go(func() { r.serve(conn) })
		}
	})
}

// stop ends the listener and resets all connections.
func (r *receiver) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopLocked()
}

func (r *receiver) stopLocked() {
	if r.listener != nil {
		_ = r.listener.Close()
		r.listener = nil
	}
	r.resetLocked()
}

// reset ends the open connections with RST.
func (r *receiver) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.resetLocked()
}

func (r *receiver) resetLocked() {
	for conn := range r.conns {
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
		delete(r.conns, conn)
	}
}

// hangUp ends the open connections with FIN.
func (r *receiver) hangUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for conn := range r.conns {
		_ = conn.Close()
		delete(r.conns, conn)
	}
}

// admit stores a connection, and reports whether it should be served.
func (r *receiver) admit(conn net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.accepted++
	r.conns[conn] = true
	if r.listener == nil {
		r.resetLocked()
		return false
	}
	if r.hung != nil {
		if !r.met {
			r.met = true
			close(r.hung)
		}
		return false
	}
	return true
}

func (r *receiver) serve(conn net.Conn) {
	if !r.admit(conn) {
		return
	}
	var from net.Conn = conn
	if r.tls != nil {
		from = tls.Server(conn, r.tls)
	}
	in := bufio.NewReader(from)
	for {
		text, err := readCounted(in)
		if err != nil || !r.take(text) {
			break
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conns[conn] {
		delete(r.conns, conn)
		_ = from.Close()
	}
}

// readCounted reads a message and its length.
func readCounted(in *bufio.Reader) ([]byte, error) {
	length, err := in.ReadString(' ')
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(strings.TrimSuffix(length, " "))
	if err != nil {
		return nil, err
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(in, text); err != nil {
		return nil, err
	}
	return append([]byte(length), text...), nil
}

func (r *receiver) take(text []byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left == 0 {
		r.stopLocked()
		return false
	}
	all, err := judge(r.settings, text)
	if err != nil || len(all) != 1 {
		r.tb.Errorf("got %d messages in one, error %v: %.200q", len(all), err, text)
		return false
	}
	if r.ends != nil && r.ends(all[0].Text) {
		return false
	}
	r.left--
	r.taken = append(r.taken, all...)
	r.more.Broadcast()
	if r.every > 0 && len(r.taken)%r.every == 0 {
		r.resetLocked()
	}
	return true
}

func (r *receiver) falter(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = n
	if n == 0 {
		r.stopLocked()
	}
}

func (r *receiver) hang() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hung, r.met = make(chan struct{}), false
	r.resetLocked()
	return r.hung
}

func (r *receiver) repair() {
	r.mu.Lock()
	if r.hung != nil {
		r.resetLocked()
	}
	r.left, r.hung = -1, nil
	r.mu.Unlock()
	r.listen()
}

func (r *receiver) bodies() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([][]byte, len(r.taken))
	for i := range r.taken {
		all[i] = []byte(r.taken[i].Text)
	}
	return all
}

// await waits until n messages have arrived.
func (r *receiver) await(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.taken) < n {
		r.more.Wait()
	}
}

func (r *receiver) connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.accepted
}

// datagrams takes messages over UDP.
type datagrams struct {
	mu    sync.Mutex
	more  *sync.Cond // a message was taken
	taken [][]byte
}

func newDatagrams(t testing.TB) (d *datagrams, url string) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	// The suite sends 4 MiB at once. Datagrams that do not fit are lost, as with UDP.
	if err := conn.SetReadBuffer(64 << 20); err != nil {
		t.Fatal(err)
	}
	d = &datagrams{}
	d.more = sync.NewCond(&d.mu)
	var serving sync.WaitGroup
	serving.Go(func() {
		buf := make([]byte, 1<<16)
		for {
			n, err := conn.Read(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			d.mu.Lock()
			d.taken = append(d.taken, append([]byte(nil), buf[:n]...))
			d.more.Broadcast()
			d.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		_ = conn.Close()
		serving.Wait()
	})
	return d, "udp://" + conn.LocalAddr().String()
}

// await waits until n messages have arrived.
func (d *datagrams) await(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.taken) < n {
		d.more.Wait()
	}
}

func (d *datagrams) all() [][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([][]byte(nil), d.taken...)
}
