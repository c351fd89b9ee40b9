// Package rsyslogd runs Debian's rsyslog, the most common next hop, for the integration
// tests. It has its own configuration and ports of the loopback interface, and does not
// touch the machine's rsyslog.
//
// It receives messages over every transport at once, and writes each of them, with the
// fields that it parsed, as a line of JSON, which the test reads back. By default rsyslog
// rewrites control characters, so use Escape to find a message.
//
// It needs the packages rsyslog, rsyslog-relp and rsyslog-openssl; if they are missing, it
// fails and names them. It configures no queues on disk, no client certificates and no
// limits: apart from Config, the tests need the defaults that users have. Only tests may
// import this package.
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

	"github.com/sluice-siem/sluice/pkg/internal/testcert"
)

// Config holds the options that differ between tests.
type Config struct {
	// Direct makes rsyslog write a message to the file before it acknowledges the
	// message. Otherwise the message is first in a queue in memory, as by default.
	Direct bool

	// AbortOver is the largest message in bytes. Over a larger one imrelp ends the
	// connection and drops the message. 0: 8 KiB, and larger messages are cut.
	AbortOver int

	// Forward is where messages go from here, over TCP with octet counting, beside the
	// file. The key is the name of a template: one of rsyslog's, or raw, which is %rawmsg%.
	// The value is host and port.
	Forward map[string]string
}

// Daemon is an rsyslogd. It keeps its addresses when it is started again.
type Daemon struct {
	TCP, TLS, UDP, RELP, RELPTLS string // host and port
	CAFile                       string // authority of the certificate of TLS and RELPTLS, which is for 127.0.0.1

	binary, dir string
	ports       ports
	process     *exec.Cmd // nil if the daemon does not run
	ended       chan error
	stderr      bytes.Buffer
}

// Start starts a daemon, which is killed at the end of the test.
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
	if d.CAFile, err = testcert.Write(d.dir); err != nil {
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

// find also looks where Debian installs it: only root has that directory in the PATH.
func find() (string, error) {
	for _, name := range []string{"rsyslogd", "/usr/sbin/rsyslogd"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("there is no rsyslogd: %s", packages)
}

// check makes rsyslogd validate its configuration, since otherwise it starts without the
// parts that it cannot load.
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
	// In the foreground, without changing the directory, and with its own pid file.
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

// ready returns nil once the daemon listens on all ports, and a permanent error if it
// has ended.
func (d *Daemon) ready() error {
	select {
	case err := <-d.ended:
		d.ended <- err
		return backoff.Permanent(fmt.Errorf("it ended: %w", err))
	default:
		return d.ports.listening()
	}
}

// log returns the daemon's own log. Call it after the daemon has ended, or if it does not
// start.
func (d *Daemon) log() string {
	text, err := os.ReadFile(d.path("log"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err.Error()
	}
	return string(text)
}

// Stop ends the daemon with SIGTERM. The daemon writes the messages in its queue and
// exits.
func (d *Daemon) Stop() error { return d.end(syscall.SIGTERM) }

// Kill ends the daemon with SIGKILL. It does nothing if the daemon does not run.
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
	// The pid file of a killed daemon would stop the next one from starting.
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
