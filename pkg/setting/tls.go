package setting

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
)

// TLS is how a client proves the server's identity and its own. Zero and nil
// are alike and the usual thing: TLS 1.2 or later, the server's name verified
// against the roots of the system, no certificate of our own.
//
// Where the address says whether TLS is spoken at all (https://, tls://),
// settings hold a TLS. Where it does not (Kafka), they hold a *TLS, and
// "tls: {}" in the configuration turns it on; see Enabled.
//
// Files are read again as they change, without a restart: the client's
// certificate and key at every handshake, also of a *tls.Config made before;
// the authorities each time Config is called, which Dial does for every
// connection and Transport when their file has changed. A new verdict applies
// to new connections; those that are open stay open.
type TLS struct {
	CAFile             string `yaml:"ca_file"`              // PEM; replaces the roots of the system; default: those
	CertFile           string `yaml:"cert_file"`            // PEM, leaf first; default: no client certificate
	KeyFile            string `yaml:"key_file"`             // PEM; goes with cert_file
	ServerName         string `yaml:"server_name"`          // the name in the server's certificate; default: the host dialled
	InsecureSkipVerify bool   `yaml:"insecure_skip_verify"` // accept any certificate; default false; warn about it at every start
}

// Enabled reports whether the settings hold a TLS where that is optional.
func (t *TLS) Enabled() bool { return t != nil }

// Config returns what crypto/tls needs to connect, with ServerName unset if the
// host that is dialled should decide. The authorities in it are those of this
// moment, so that verification, of addresses as well as of names, is the
// standard library's own: make a new one for each connection, or let Dial or
// Transport do so.
func (t *TLS) Config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if t == nil {
		return c, nil
	}
	c.ServerName = t.ServerName
	c.InsecureSkipVerify = t.InsecureSkipVerify
	if t.CAFile != "" {
		pool, err := readPool(t.CAFile)
		if err != nil {
			return nil, err
		}
		c.RootCAs = pool
	}
	if t.CertFile != "" || t.KeyFile != "" {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return t.certificate()
		}
	}
	return c, nil
}

// Dial connects and shakes hands, with the files as they are now. It fits
// net.Dialer.DialContext, http.Transport.DialTLSContext and kgo.Dialer.
func (t *TLS) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := t.Config()
	if err != nil {
		return nil, fmt.Errorf("dialling %s: %w", address, err)
	}
	return (&tls.Dialer{Config: c}).DialContext(ctx, network, address)
}

// Validate reports files that cannot be read or used, and a certificate without
// its key.
func (t *TLS) Validate() []error {
	if t == nil {
		return nil
	}
	var errs []error
	if t.CAFile != "" {
		if _, err := readPool(t.CAFile); err != nil {
			errs = append(errs, Invalid("ca_file", err))
		}
	}
	switch {
	case t.CertFile != "" && t.KeyFile == "":
		errs = append(errs, Invalid("key_file", errors.New("missing; cert_file needs it")))
	case t.CertFile == "" && t.KeyFile != "":
		errs = append(errs, Invalid("cert_file", errors.New("missing; key_file needs it")))
	case t.CertFile != "":
		if _, err := t.certificate(); err != nil {
			errs = append(errs, Invalid("cert_file", err))
		}
	}
	return errs
}

func (t *TLS) certificate() (*tls.Certificate, error) {
	cert, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("reading client certificate %q with key %q: %w", t.CertFile, t.KeyFile, err)
	}
	return &cert, nil
}

func readPool(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading certificate authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("reading certificate authorities: no PEM certificate in %q", path)
	}
	return pool, nil
}
