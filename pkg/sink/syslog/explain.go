package syslog

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"syscall"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/syslog/relp"
)

// explain adds the receiver and a hint to an error. None of these errors is a fault of
// a record. Errors that can clear by themselves are retried at the usual pace.
func explain(err error, a Address) error {
	err = fmt.Errorf("%s: %w", a, err)
	if hint := adviseTLS(err, a); hint != "" {
		return sink.Destination(err, hint)
	}
	if hint := advise(err, a); hint != "" {
		return sink.Hint(err, hint)
	}
	return err
}

// adviseTLS returns a hint for an error that only a change of settings repairs.
func adviseTLS(err error, a Address) string {
	var (
		plain tls.RecordHeaderError
		file  *fs.PathError
	)
	switch {
	case errors.As(err, &plain):
		return fmt.Sprintf("the server there does not use TLS; write %s, or turn TLS on there", a.unencrypted())
	case errors.As(err, &file):
		return "make sure that the files named under tls exist and that sluice may read them"
	}
	return setting.TLSHint(err, "receiver")
}

func advise(err error, a Address) string {
	var name *net.DNSError
	switch {
	case errors.As(err, &name):
		return fmt.Sprintf("make sure that the name in %s is right and that this machine can resolve it", a)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("start the receiver, or make sure that it listens on %s", a.Host)
	// A handshake with a server of another protocol times out too: both sides wait.
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return fmt.Sprintf("make sure that this machine can reach %s, that the server there uses %s, and that it is not overloaded", a.Host, a.Scheme)
	case errors.Is(err, errSpoke):
		return fmt.Sprintf("make sure that %s is the receiver's port for %s", a.Host, a.Scheme)
	case errors.Is(err, io.EOF), errors.Is(err, errHalfClosed), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, relp.ErrServerClosed):
		return "the receiver ended the connection; see its log for the reason; it may have stopped, have reached its limit of connections, or expect another protocol than " + a.Scheme
	}
	return ""
}
