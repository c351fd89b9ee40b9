// Package syslogngd runs Debian's syslog-ng for a test, beside rsyslog a second common
// receiver of syslog, as .ci/syslogng/syslogng unpacks it. It has ports of its own on the
// loopback interface.
//
// It receives messages over every transport at once, and writes each of them, with the
// fields that it parsed, as a line of JSON, which the test reads back.
package syslogngd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/sluice-siem/sluice/pkg/internal/counterpart"
	"github.com/sluice-siem/sluice/pkg/internal/freeport"
	"github.com/sluice-siem/sluice/pkg/internal/testcert"
)

// Daemon is a syslog-ng that runs.
type Daemon struct {
	TCP, TLS string // host and port of sources that take octet counting
	Newline  string // of a source over TCP that takes lines
	UDP      string
	CAFile   string // authority of the certificate of TLS, which is for 127.0.0.1

	dir   string
	ports []port
}

// port is a port of 127.0.0.1 that the daemon listens on.
type port struct {
	network string // tcp or udp
	number  int
}

func (p port) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.number)) }

// Message is a message as the daemon parsed and wrote it.
type Message struct {
	Raw        string // the whole message
	Host       string
	App        string
	ID         string // MSGID
	Structured string // structured data
	Header     string // of RFC 3164: the tag as it was sent, and the spaces behind it
	Text       string
}

// Start starts a daemon, which is killed at the end of the test.
func Start(tb testing.TB) *Daemon {
	tb.Helper()
	d := &Daemon{dir: tb.TempDir()}
	if err := d.prepare(); err != nil {
		tb.Fatal(err)
	}
	if err := d.run(tb); err != nil {
		tb.Fatal(err)
	}
	return d
}

func (d *Daemon) prepare() (err error) {
	if d.CAFile, err = testcert.Write(d.dir); err != nil {
		return fmt.Errorf("making certificates for syslog-ng: %w", err)
	}
	for _, network := range []string{"tcp", "tcp", "tcp", "udp"} {
		number, err := freeport.Loopback()
		if err != nil {
			return err
		}
		d.ports = append(d.ports, port{network, number})
	}
	d.TCP, d.TLS, d.Newline, d.UDP = d.ports[0].address(), d.ports[1].address(), d.ports[2].address(), d.ports[3].address()
	var text bytes.Buffer
	err = configuration.Execute(&text, map[string]any{
		"Dir": d.dir, "Octets": d.ports[0].number, "TLS": d.ports[1].number, "Newline": d.ports[2].number, "UDP": d.ports[3].number,
	})
	if err != nil {
		return fmt.Errorf("writing the configuration of syslog-ng: %w", err)
	}
	return os.WriteFile(d.path("syslog-ng.conf"), text.Bytes(), 0o600)
}

func (d *Daemon) path(name string) string { return filepath.Join(d.dir, name) }

// run starts the daemon and returns once it listens on all ports.
func (d *Daemon) run(tb testing.TB) error {
	// In the foreground, as any user, and with files of its own.
	cmd := exec.Command(counterpart.Script("syslogng"), "exec", "--foreground", "--no-caps",
		"--cfgfile", d.path("syslog-ng.conf"), "--persist-file", d.path("persist"), "--control", d.path("ctl"), "--pidfile", d.path("pid"))
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting syslog-ng: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // It is killed.
	}()
	end := func() error {
		err := cmd.Process.Kill()
		<-ended
		return err
	}
	if err := d.await(ended); err != nil {
		return fmt.Errorf("starting syslog-ng: %w: %s", errors.Join(err, end()), log.String())
	}
	tb.Cleanup(func() {
		if err := end(); err != nil {
			tb.Errorf("killing syslog-ng: %v: %s", err, log.String())
		}
	})
	return nil
}

// await returns once the daemon listens on all ports.
func (d *Daemon) await(ended <-chan struct{}) error {
	ready := func() error {
		select {
		case <-ended:
			return backoff.Permanent(errors.New("it ended"))
		default:
			return d.listening()
		}
	}
	return backoff.Retry(ready, backoff.WithMaxRetries(backoff.NewConstantBackOff(10*time.Millisecond), 6000))
}

func (d *Daemon) listening() error {
	for _, p := range d.ports {
		is, err := freeport.Listening(p.network, p.number)
		if err != nil {
			return err
		}
		if !is {
			return fmt.Errorf("nobody listens on %s port %d", p.network, p.number)
		}
	}
	return nil
}

// Escape replaces NUL as syslog-ng does when it writes JSON.
func Escape(s string) string { return strings.ReplaceAll(s, "\x00", `\x00`) }

// Messages returns all messages that the daemon has written, in order.
func (d *Daemon) Messages() ([]Message, error) {
	text, err := os.ReadFile(d.path("messages"))
	if err != nil && !errors.Is(err, os.ErrNotExist) { // The first message creates it.
		return nil, err
	}
	var messages []Message
	for dec := json.NewDecoder(bytes.NewReader(text)); ; {
		var m Message
		err := dec.Decode(&m)
		if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) { // It is still writing the last one.
			return messages, nil
		}
		if err != nil {
			return nil, fmt.Errorf("message %d of syslog-ng: %w", len(messages)+1, err)
		}
		messages = append(messages, m)
	}
}
