package setting_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/setting"
)

func TestExplainNetwork(t *testing.T) {
	dial := func(errno syscall.Errno) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", errno)}
	}
	const address = "tls://siem.example.com:6514"
	p := setting.Peer{Name: "receiver", Address: address, TLS: &setting.TLS{}, Elsewhere: "see elsewhere, too"}
	for _, c := range []struct {
		err  error
		hint string
	}{
		{&net.DNSError{Err: "no such host", Name: "siem.example.com", IsNotFound: true}, "the name in " + address + " is right and that this machine can resolve it"},
		{&net.DNSError{Err: "server misbehaving", Name: "siem.example.com", IsTemporary: true}, "this machine can resolve it"},
		{dial(syscall.ECONNREFUSED), "start the receiver, or make sure that it listens on " + address},
		{dial(syscall.EHOSTUNREACH), "no way from this machine to " + address},
		{dial(syscall.ENETUNREACH), "no way from this machine to " + address},
		{dial(syscall.ETIMEDOUT), "reach " + address + " through all firewalls, that it is the receiver's port"},
		{context.DeadlineExceeded, "reach " + address + " through all firewalls"},
		{syscall.ECONNRESET, "the receiver ended the connection"},
		{io.ErrUnexpectedEOF, "the receiver ended the connection"},
		{errors.New("http2: client conn could not be established"), "the receiver ended the connection"},
	} {
		a := p.Explain(fmt.Errorf("connecting: %w", c.err))
		if a.Stays || !strings.Contains(a.Hint, c.hint) || !strings.HasSuffix(a.Hint, "; see elsewhere, too") {
			t.Errorf("%v: got %+v, want a hint with %q for an error that may pass", c.err, a, c.hint)
		}
	}
	if a := p.Explain(errors.New("something else")); a != (setting.Advice{}) {
		t.Errorf("got %+v for an error of another kind, want nothing", a)
	}
}

// overdue is a context whose time is over once done is closed.
type overdue struct {
	context.Context
	done chan struct{}
}

func (o overdue) Done() <-chan struct{} { return o.done }

func (o overdue) Err() error {
	select {
	case <-o.done:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// A server of another protocol takes the connection, and waits as the client does.
func TestHandshakeWithoutAnAnswer(t *testing.T) {
	hello := make(chan struct{}, 2)
	silent := listen(t, func(conn net.Conn) error {
		_, _ = conn.Read(make([]byte, 1))
		hello <- struct{}{}
		_, _ = io.Copy(io.Discard, conn)
		return nil
	}, func() {}).Addr().String()
	p := setting.Peer{Name: "receiver", Address: "tls://" + silent, TLS: &setting.TLS{}, Plain: "write tcp://"}
	want := func(err error) {
		t.Helper()
		if a := p.Explain(err); a.Stays || !strings.Contains(a.Hint, "did not answer in TLS: if its port does not use TLS, write tcp://") {
			t.Errorf("%v: got %+v, want that the port may not use TLS", err, a)
		}
	}
	ctx := overdue{t.Context(), make(chan struct{})}
	go func() {
		<-hello
		close(ctx.done)
	}()
	_, err := p.TLS.Dial(ctx, "tcp", silent)
	want(err)
	client := &http.Client{Transport: p.TLS.Transport(&http.Transport{TLSHandshakeTimeout: time.Nanosecond})}
	_, err = client.Get("https://" + silent)
	want(err)
}

// A server chose the names in its certificate, so they cannot drive a terminal, nor fill a
// log.
func TestNamesOfACertificateAreQuoted(t *testing.T) {
	hostile := &x509.Certificate{DNSNames: append([]string{"\x1b[2J" + strings.Repeat("x", 1000)}, strings.Split(strings.Repeat("a,", 40), ",")...)}
	a := setting.Peer{Name: "server", Address: "https://siem"}.Explain(x509.HostnameError{Certificate: hostile, Host: "siem"})
	if strings.Contains(a.Hint, "\x1b") || len(a.Hint) > 500 || !strings.Contains(a.Hint, "and 37 more") {
		t.Errorf("got %q, want the first names, quoted and cut", a.Hint)
	}
}

func TestIsAlert(t *testing.T) {
	for text, want := range map[string]bool{"\x15\x03\x03\x00\x02": true, "\x15\x03": true, "\x15": false, "": false, "HTTP": false, "\x16\x03\x01": false} {
		if got := setting.IsAlert([]byte(text)); got != want {
			t.Errorf("IsAlert(%q): got %v, want %v", text, got, want)
		}
	}
}
