// Package rsyslogd runs Debian's rsyslog for the integration tests: the next hop
// that most have, with a configuration of the test's own, on ports of the loopback
// interface, beside the machine's and without touching it.
//
// It takes messages by every transport at once, and writes each with what it made
// of it as one JSON object a line, which the test reads back. What is sent has to be
// looked for with Escape in mind: by default rsyslog rewrites control characters.
//
// It needs the packages rsyslog, rsyslog-relp and rsyslog-openssl, and fails
// naming them where they are missing. It does not configure queues on disk,
// certificates of clients, or limits: what matters are the defaults that users
// have, but for Config. Only tests may import this package.
package rsyslogd

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Config is what differs between tests.
type Config struct {
	// Direct makes rsyslog handle a message where it received it, so that it is in
	// the file before it is acknowledged. Otherwise it first lies in a queue in
	// memory, as by default.
	Direct bool

	// AbortOver is the largest message in bytes. Over a larger one imrelp ends the
	// connection, and what it has of it is gone. 0: 8 KiB, and it cuts larger ones.
	AbortOver int
}

// Daemon is an rsyslogd. The addresses stay the same over its lives.
type Daemon struct {
	TCP, TLS, UDP, RELP, RELPTLS string // host and port
	CAFile                       string // of the certificate on TLS and RELPTLS, which is for 127.0.0.1

	binary, dir string
	ports       ports
	process     *exec.Cmd // nil if it does not run
	ended       chan error
	stderr      bytes.Buffer
}

// Start starts a daemon, which the end of the test kills.
func Start(tb testing.TB, c Config) *Daemon {
	tb.Helper()
	d := &Daemon{dir: tb.TempDir()}
	if err := d.prepare(c); err != nil {
		tb.Fatal(err)
	}
	if err := d.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := d.Kill(); err != nil {
			tb.Error(err)
		}
	})
	return d
}

func (d *Daemon) prepare(c Config) (err error) {
	if d.binary, err = find(); err != nil {
		return err
	}
	if d.CAFile, err = writeCertificates(d.dir); err != nil {
		return fmt.Errorf("making certificates for rsyslogd: %w", err)
	}
	if d.ports, err = choosePorts(); err != nil {
		return fmt.Errorf("choosing ports for rsyslogd: %w", err)
	}
	d.TCP, d.TLS, d.UDP = d.ports.tcp.address(), d.ports.tls.address(), d.ports.udp.address()
	d.RELP, d.RELPTLS = d.ports.relp.address(), d.ports.relpTLS.address()
	configuration, err := d.configuration(c)
	if err != nil {
		return err
	}
	if err := os.WriteFile(d.path("rsyslog.conf"), configuration, 0o600); err != nil {
		return err
	}
	return d.check()
}

const packages = "install the Debian packages rsyslog, rsyslog-relp and rsyslog-openssl"

// find looks where Debian puts it, too: that is in the PATH of root alone.
func find() (string, error) {
	for _, name := range []string{"rsyslogd", "/usr/sbin/rsyslogd"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("there is no rsyslogd: %s", packages)
}

// check lets rsyslogd read its configuration, since it starts without what it
// cannot load.
func (d *Daemon) check() error {
	out, err := exec.Command(d.binary, "-N1", "-f", d.path("rsyslog.conf")).CombinedOutput()
	if err != nil {
		return fmt.Errorf("rsyslogd refuses its configuration (%s): %w: %s", packages, err, out)
	}
	return nil
}

func (d *Daemon) path(name string) string { return filepath.Join(d.dir, name) }

// Start starts a daemon that was stopped or killed, with the same ports and file,
// and returns once it listens on all of them.
func (d *Daemon) Start() error {
	if d.process != nil {
		return errors.New("rsyslogd runs already")
	}
	d.stderr.Reset()
	// In the foreground, without a change of directory, and with a file for its
	// process id that is not the machine's.
	cmd := exec.Command(d.binary, "-n", "-C", "-i", d.path("pid"), "-f", d.path("rsyslog.conf"))
	cmd.Stdout, cmd.Stderr = &d.stderr, &d.stderr
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting rsyslogd: %w", err)
	}
	d.process, d.ended = cmd, make(chan error, 1)
	go func() { d.ended <- cmd.Wait() }()
	tries := backoff.WithMaxRetries(backoff.NewConstantBackOff(10*time.Millisecond), 3000)
	if err := backoff.Retry(d.ready, tries); err != nil {
		return errors.Join(fmt.Errorf("starting rsyslogd: %w: %s", err, d.log()), d.Kill())
	}
	return nil
}

// ready tells whether it listens on all ports, and gives up if it has ended.
func (d *Daemon) ready() error {
	select {
	case err := <-d.ended:
		d.ended <- err
		return backoff.Permanent(fmt.Errorf("it ended: %w", err))
	default:
		return d.ports.listening()
	}
}

// log is what the daemon says of itself. It is to be asked for at its end, or
// when it does not start.
func (d *Daemon) log() string {
	text, err := os.ReadFile(d.path("log"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err.Error()
	}
	return string(text)
}

// Stop ends the daemon with SIGTERM, after which it writes what it has in its
// queue and exits.
func (d *Daemon) Stop() error { return d.end(syscall.SIGTERM) }

// Kill ends the daemon with SIGKILL. One that does not run is left alone.
func (d *Daemon) Kill() error {
	if d.process == nil {
		return nil
	}
	return d.end(syscall.SIGKILL)
}

func (d *Daemon) end(with syscall.Signal) error {
	if d.process == nil {
		return errors.New("rsyslogd does not run")
	}
	if err := d.process.Process.Signal(with); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("ending rsyslogd: %w", err)
	}
	<-d.ended
	status, ok := d.process.ProcessState.Sys().(syscall.WaitStatus)
	d.process = nil
	// The file of a daemon that was killed keeps the next from starting.
	if err := os.Remove(d.path("pid")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := d.cut(); err != nil {
		return err
	}
	if killed := ok && status.Signaled() && status.Signal() == syscall.SIGKILL && with == syscall.SIGKILL; !killed && status.ExitStatus() != 0 {
		return fmt.Errorf("rsyslogd ended with %v: %s%s", status, d.stderr.String(), d.log())
	}
	return nil
}
