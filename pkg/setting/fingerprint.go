package setting

import (
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"regexp"
	"strings"
)

// Fingerprint names a certificate: the SHA-256 of its DER form in hexadecimal digits, with
// or without colons between them. Elasticsearch prints that of its authority when it starts
// for the first time. The zero value is unset.
type Fingerprint string

var fingerprintForm = regexp.MustCompile(`^ *[0-9a-fA-F]{2}(:?[0-9a-fA-F]{2}){31} *$`)

// UnmarshalText parses a fingerprint.
func (f *Fingerprint) UnmarshalText(text []byte) error {
	if !fingerprintForm.Match(text) {
		return errors.New("is not a fingerprint; write the SHA-256 of the authority's certificate, in 64 hexadecimal digits")
	}
	*f = Fingerprint(strings.ToLower(strings.NewReplacer(":", "", " ", "").Replace(string(text))))
	return nil
}

// Form implements Formed.
func (Fingerprint) Form() Form { return Form{Name: "fingerprint", Pattern: fingerprintForm.String()} }

// Trust returns settings for which the authority with the fingerprint is the only one, in
// place of the system's and of ca_file, for connections to a host. The server must send that
// authority's certificate along with its own. An empty fingerprint changes nothing.
func (t *TLS) Trust(f Fingerprint, host string) *TLS {
	if f == "" {
		return t
	}
	trusting := TLS{}
	if t != nil {
		trusting = *t
	}
	trusting.authority = &pinned{f, cmp.Or(trusting.ServerName, host)}
	return &trusting
}

// pinned is an authority by its fingerprint, and the name that a server's certificate must
// have. The state of a connection does not tell the name: it is empty for an IP address.
type pinned struct {
	fingerprint Fingerprint
	name        string
}

// ErrNotTrusted is the error of a handshake with a server whose certificate no authority
// with the fingerprint signed.
var ErrNotTrusted = errors.New("no certificate that the server sent has the fingerprint of the authority")

// verify checks a handshake as crypto/tls does, with the authority as the only root.
func (p *pinned) verify(s tls.ConnectionState) error {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	found := false
	for _, c := range s.PeerCertificates {
		if sum := sha256.Sum256(c.Raw); hex.EncodeToString(sum[:]) == string(p.fingerprint) {
			roots.AddCert(c)
			found = true
			continue
		}
		between.AddCert(c)
	}
	if !found {
		return ErrNotTrusted
	}
	_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{DNSName: p.name, Roots: roots, Intermediates: between})
	return err
}
