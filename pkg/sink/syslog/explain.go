package syslog

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"syscall"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/syslog/relp"
)

// explain says which receiver an error is about, and what a person can do. None
// of these errors is about a record. What can end by itself is tried again at
// the usual pace.
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

// adviseTLS is about what only a change of some settings mends.
func adviseTLS(err error, a Address) string {
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		plain     tls.RecordHeaderError
		remote    *net.OpError
		file      *fs.PathError
	)
	switch {
	case errors.As(err, &authority):
		return "set tls.ca_file to the authority that signed the receiver's certificate"
	case errors.As(err, &name):
		return "set tls.server_name to a name in the receiver's certificate, or give it one with the name in the address"
	case errors.As(err, &invalid):
		return "the receiver's certificate is not valid; give it a new one"
	case errors.As(err, &plain):
		return fmt.Sprintf("what listens there speaks no TLS; write %s, or turn TLS on there", a.unencrypted())
	case errors.As(err, &remote) && remote.Op == "remote error": // an alert; see crypto/tls, alert.go
		return "the receiver ended the handshake, whose log says why; if it asks for a certificate, set tls.cert_file and tls.key_file"
	case errors.As(err, &file):
		return "see that the files named under tls exist and that sluice may read them"
	}
	return ""
}

func advise(err error, a Address) string {
	var name *net.DNSError
	switch {
	case errors.As(err, &name):
		return fmt.Sprintf("see that the name in %s is right and can be resolved here", a)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("start the receiver, or see that it listens on %s", a.Host)
	// A handshake with what speaks something else ends so, too: both wait.
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return fmt.Sprintf("see that %s can be reached, that what listens there speaks %s, and that it is not too busy to answer", a.Host, a.Scheme)
	case errors.Is(err, errSpoke):
		return fmt.Sprintf("see that %s is the receiver's port for %s", a.Host, a.Scheme)
	case errors.Is(err, io.EOF), errors.Is(err, errHalfClosed), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, relp.ErrServerClosed):
		return "the receiver ended the connection, whose log may say why; it may have ended itself, allow no more connections, or expect something else than " + a.Scheme
	}
	return ""
}
