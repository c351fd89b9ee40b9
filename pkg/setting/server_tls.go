package setting

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"sync"

	"github.com/sluice-siem/sluice/pkg/internal/regular"
)

// ServerTLS is the certificate of a server. Its files are read again for each connection,
// so that a rotated certificate is used without a restart.
type ServerTLS struct {
	CertFile string `yaml:"cert_file" required:"true" doc:"Path of a PEM file with the certificate, and the intermediate ones behind it. It is read again for each connection."`
	KeyFile  string `yaml:"key_file" required:"true" doc:"Path of a PEM file with the key of the certificate."`
}

// Validate reports files that are missing or cannot be used.
func (t *ServerTLS) Validate() []error {
	if t == nil {
		return nil
	}
	var errs []error
	if t.CertFile == "" {
		errs = append(errs, Invalid("cert_file", errors.New("missing; write the path of a PEM file with the server's certificate")))
	}
	if t.KeyFile == "" {
		errs = append(errs, Invalid("key_file", errors.New("missing; write the path of a PEM file with the key to cert_file")))
	}
	if len(errs) > 0 {
		return errs
	}
	if _, err := t.certificate(); err != nil {
		return []error{Invalid("cert_file", unusable(t.CertFile, err, "does not hold a certificate in PEM to which key_file holds the key", "write the paths of PEM files with a certificate and its key"))}
	}
	return nil
}

// Config returns what crypto/tls needs to serve. While the files cannot be used, as in the
// middle of a rotation, connections get the certificate that was read last, and failed is
// told the reason.
func (t *ServerTLS) Config(failed func(error)) *tls.Config {
	var mu sync.Mutex
	var last *tls.Certificate
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			cert, err := t.certificate()
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				last = cert
				return cert, nil
			}
			failed(err)
			if last == nil {
				return nil, err
			}
			return last, nil
		},
	}
}

// Client returns what crypto/tls needs to connect to this very server from the machine
// that has its files: it trusts the certificate in cert_file and no other, for any name and
// at any time.
func (t *ServerTLS) Client() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // VerifyConnection decides.
		VerifyConnection: func(s tls.ConnectionState) error {
			want, err := t.leaf()
			if err != nil {
				return err
			}
			if !bytes.Equal(want.Raw, s.PeerCertificates[0].Raw) {
				return &fileError{"cert_file", fmt.Errorf("the server has another certificate than %q", t.CertFile)}
			}
			return nil
		},
	}
}

func (t *ServerTLS) certificate() (*tls.Certificate, error) {
	cert, err := loadKeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return nil, &fileError{"cert_file", fmt.Errorf("reading server certificate %q with key %q: %w", t.CertFile, t.KeyFile, err)}
	}
	return &cert, nil
}

// leaf returns the certificate without its key.
func (t *ServerTLS) leaf() (*x509.Certificate, error) {
	text, err := regular.Read(t.CertFile)
	if err != nil {
		return nil, &fileError{"cert_file", fmt.Errorf("reading server certificate: %w", err)}
	}
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return nil, &fileError{"cert_file", fmt.Errorf("reading server certificate: no PEM certificate in %q", t.CertFile)}
		}
		if block.Type == "CERTIFICATE" {
			return x509.ParseCertificate(block.Bytes)
		}
	}
}
