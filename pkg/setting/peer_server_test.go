package setting_test

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// listener is a server that refuses every client in the same way.
type listener struct {
	net.Listener
	ended func() // called once it has refused several connections, so that a client's first error is known
	seen  atomic.Int32
}

// enough is how many connections kgo opens at most before it reports the first error
// (broker.go: loadConnection tries again after a reset), and one more.
const enough = 4

// listen serves each connection with refuse. It reads until the client has closed, so
// that no reset overtakes what refuse sent.
func listen(t *testing.T, refuse func(net.Conn) error, ended func()) *listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &listener{Listener: l, ended: ended}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // the test is over
			}
			if s.seen.Add(1) == enough {
				s.ended()
			}
			go func() {
				defer conn.Close()
				if refuse(conn) == nil {
					return
				}
				_ = conn.(*net.TCPConn).CloseWrite() // the client may have closed
				_, _ = io.Copy(io.Discard, conn)
			}()
		}
	}()
	return s
}

var errRefused = errors.New("refused")

// handshake speaks TLS.
func handshake(config *tls.Config) func(net.Conn) error {
	return func(conn net.Conn) error {
		secure := tls.Server(conn, config)
		if err := secure.Handshake(); err != nil {
			return err
		}
		_, err := io.Copy(io.Discard, secure)
		return errors.Join(err, errRefused)
	}
}

// answers sends a text once the client has sent something.
func answers(text string) func(net.Conn) error {
	return func(conn net.Conn) error {
		_, err := conn.Read(make([]byte, 1))
		if err == nil {
			_, err = io.WriteString(conn, text)
		}
		return errors.Join(err, errRefused)
	}
}

// certified changes a certificate for 127.0.0.1 before the authority signs it.
func (a authority) certified(change func(*x509.Certificate)) tls.Certificate {
	a.t.Helper()
	key := newKey(a.t)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: "127.0.0.1"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if change != nil {
		change(c)
	}
	parent, signer := a.cert, a.key
	if parent == nil { // it signs itself
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
