package setting

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"

	"github.com/sluice-siem/sluice/pkg/internal/regular"
)

// TLS is how a client verifies the server and identifies itself. Zero and nil mean
// the same, which fits most servers: TLS 1.2 or later, the server's name verified
// against the system's roots, no client certificate.
//
// Settings hold a TLS if the address decides whether TLS is used (https://,
// tls://). They hold a *TLS if the address does not (Kafka); "tls: {}" in the
// configuration then turns TLS on; see Enabled.
//
// Changed files are read again without a restart: the client's certificate and key
// at every handshake, also with a *tls.Config made before; the authorities at each
// call of Config, which Dial makes for every connection and Transport when ca_file
// has changed. New files apply to new connections; open connections stay open.
type TLS struct {
	CAFile             string `yaml:"ca_file" default:"the authorities of the system" doc:"Path of a PEM file with the authorities that verify the server, in place of the system's. It is read again when it changes."`
	CertFile           string `yaml:"cert_file" required:"with key_file" default:"no client certificate" doc:"Path of a PEM file with the client's certificate, leaf first. It is read again for each connection."`
	KeyFile            string `yaml:"key_file" required:"with cert_file" doc:"Path of a PEM file with the key of the client's certificate."`
	ServerName         string `yaml:"server_name" default:"the host of the address" doc:"Name that the server's certificate must have."`
	InsecureSkipVerify bool   `yaml:"insecure_skip_verify" doc:"Accept any certificate, so that anyone on the network path can pose as the server. Sluice warns about it at every start."`

	authority *pinned // of Trust; nil: ca_file or the system's
}

// Enabled reports whether settings with a *TLS have TLS turned on.
func (t *TLS) Enabled() bool { return t != nil }

// Config returns what crypto/tls needs to connect. Its ServerName is unset if the
// dialled host should decide. Its authorities are the current ones, so that the
// standard library itself verifies addresses and names: make a new Config for each
// connection, or let Dial or Transport do so.
func (t *TLS) Config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if t == nil {
		return c, nil
	}
	c.ServerName = t.ServerName
	c.InsecureSkipVerify = t.InsecureSkipVerify
	if t.authority != nil {
		// crypto/tls knows no fingerprints; VerifyConnection verifies in its place.
		c.InsecureSkipVerify, c.VerifyConnection = true, t.authority.verify
	}
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

// Dial connects and does the TLS handshake, with the current files. It has the
// signature of net.Dialer.DialContext, http.Transport.DialTLSContext and kgo.Dialer.
func (t *TLS) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := t.Config()
	if err != nil {
		return nil, fmt.Errorf("dialling %s: %w", address, err)
	}
	if c.ServerName == "" {
		if c.ServerName, _, err = net.SplitHostPort(address); err != nil {
			return nil, fmt.Errorf("dialling %s: %w", address, err)
		}
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	secure := tls.Client(conn, c)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // the first error is the one that matters
		return nil, &handshakeError{err}
	}
	return secure, nil
}

// handshakeError is an error of TLS after the connection was opened.
type handshakeError struct{ error }

func (e *handshakeError) Unwrap() error { return e.error }

// InHandshake reports whether an error of Dial came after the connection was opened.
func InHandshake(err error) bool { return errors.As(err, new(*handshakeError)) }

// fileError is an error of a file that the settings name.
type fileError struct {
	key string // ca_file or cert_file
	error
}

func (e *fileError) Unwrap() error { return e.error }

// Validate reports files that cannot be read or used, and a certificate without
// its key.
func (t *TLS) Validate() []error {
	if t == nil {
		return nil
	}
	var errs []error
	if t.CAFile != "" {
		if _, err := readPool(t.CAFile); err != nil {
			errs = append(errs, Invalid("ca_file", unusable(t.CAFile, err, "holds no certificate in PEM", "write the path of a PEM file with the certificates of authorities")))
		}
	}
	switch {
	case t.CertFile != "" && t.KeyFile == "":
		errs = append(errs, Invalid("key_file", errors.New("missing; write the file of the key to cert_file")))
	case t.CertFile == "" && t.KeyFile != "":
		errs = append(errs, Invalid("cert_file", errors.New("missing; write the file of the certificate to key_file")))
	case t.CertFile != "":
		if _, err := t.certificate(); err != nil {
			errs = append(errs, Invalid("cert_file", unusable(t.CertFile, err, "does not hold a certificate in PEM to which key_file holds the key", "write the paths of PEM files with a certificate and its key")))
		}
	}
	return errs
}

// unusable names the file that cannot be used, why, and what to write. The reason is that
// of a file that can be read.
func unusable(path string, err error, reason, write string) error {
	file := new(fs.PathError)
	if !errors.As(err, &file) {
		file = &fs.PathError{Op: "read", Path: path, Err: errors.New(reason)}
	}
	return fmt.Errorf("%w; %s", file, write)
}

func (t *TLS) certificate() (*tls.Certificate, error) {
	cert, err := loadKeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return nil, &fileError{"cert_file", fmt.Errorf("reading client certificate %q with key %q: %w", t.CertFile, t.KeyFile, err)}
	}
	return &cert, nil
}

// loadKeyPair is tls.LoadX509KeyPair, but never blocks.
func loadKeyPair(certFile, keyFile string) (tls.Certificate, error) {
	cert, err := regular.Read(certFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := regular.Read(keyFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(cert, key)
}

func readPool(path string) (*x509.CertPool, error) {
	pem, err := regular.Read(path)
	if err != nil {
		return nil, &fileError{"ca_file", fmt.Errorf("reading certificate authorities: %w", err)}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, &fileError{"ca_file", fmt.Errorf("reading certificate authorities: no PEM certificate in %q", path)}
	}
	return pool, nil
}
