package setting

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// explainCertificate is about a certificate of the server that this client refuses.
func (p Peer) explainCertificate(err error) Advice {
	if e, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return p.explainAuthority(e.Cert)
	}
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		return p.explainName(e)
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		return p.explainInvalid(e)
	}
	switch {
	case errors.Is(err, ErrNotTrusted):
		return stays("compare ca_fingerprint with that of the %s's authority (openssl x509 -fingerprint -sha256 -noout -in its certificate); the %s must also send that certificate along with its own: if it does not, remove ca_fingerprint and set tls.ca_file", p.Name, p.Name)
	case errors.As(err, new(x509.SystemRootsError)):
		return stays("this machine has no public authorities: install them (package ca-certificates), or set tls.ca_file")
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return stays("have a new certificate issued for the %s; this one does not keep the rules of X.509", p.Name)
	}
	return Advice{}
}

// explainAuthority is about a certificate whose issuer is not known. It is the topmost one
// that the server sent.
func (p Peer) explainAuthority(c *x509.Certificate) Advice {
	authority := p.Authority
	if authority != "" {
		authority = "; " + authority
	}
	switch {
	case p.TLS != nil && p.TLS.authority != nil:
		return stays("the %s sent the authority that ca_fingerprint names, but %s signed its certificate: write the fingerprint of that authority, if that is the %s you mean", p.Name, shown(c.Issuer.String()), p.Name)
	case p.TLS != nil && p.TLS.CAFile != "" && selfSigned(c):
		return stays("the %s's certificate is signed by itself, or by %s, and is not in %s: add it to that file (tls.ca_file)%s", p.Name, shown(c.Issuer.String()), p.TLS.CAFile, authority)
	case p.TLS != nil && p.TLS.CAFile != "":
		return stays("%s (tls.ca_file) has no certificate of %s, which signed the %s's: add it to that file%s", p.TLS.CAFile, shown(c.Issuer.String()), p.Name, authority)
	case selfSigned(c):
		return stays("set tls.ca_file to a copy of the %s's certificate, which is signed by itself%s", p.Name, authority)
	}
	return stays("set tls.ca_file to the certificate of %s, the authority that signed the %s's%s", shown(c.Issuer.String()), p.Name, authority)
}

func selfSigned(c *x509.Certificate) bool { return bytes.Equal(c.RawIssuer, c.RawSubject) }

// explainName is about a certificate for another name. Names are compared with
// subjectAltName only (RFC 9525, section 6.3; Go since 1.15).
func (p Peer) explainName(e x509.HostnameError) Advice {
	names := hostNames(e.Certificate)
	switch {
	case len(names) == 0:
		kind := "DNS"
		if net.ParseIP(e.Host) != nil {
			kind = "IP"
		}
		return stays("the %s's certificate has no subjectAltName, only the common name %s, so tls.server_name cannot help: have one issued with subjectAltName=%s:%s; until then only tls.insecure_skip_verify connects, and protects nothing",
			p.Name, shown(e.Certificate.Subject.CommonName), kind, e.Host)
	case p.TLS != nil && p.TLS.ServerName != "":
		return stays("the %s's certificate is for %s: set tls.server_name to one of them, if that is the %s you mean", p.Name, list(names), p.Name)
	}
	return stays("the %s's certificate is for %s: write one of them in the address, or set tls.server_name to it, if that is the %s you mean", p.Name, list(names), p.Name)
}

func hostNames(c *x509.Certificate) []string {
	names := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

// list shows the first names. The server chose them, so they are quoted.
func list(names []string) string {
	const most = 5
	var quoted []string
	for _, name := range names[:min(most, len(names))] {
		quoted = append(quoted, shown(name))
	}
	text := strings.Join(quoted, ", ")
	if more := len(names) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// shown quotes a text that the server chose, and cuts it.
func shown(text string) string { return fmt.Sprintf("%.80q", cmp.Or(text, "(none)")) }

// explainInvalid is about a certificate that is not valid for a server, or not now. It may
// be that of an authority.
func (p Peer) explainInvalid(e x509.CertificateInvalidError) Advice {
	what := fmt.Sprintf("the %s's certificate", p.Name)
	if e.Cert != nil && e.Cert.IsCA {
		what = fmt.Sprintf("the certificate of %s, an authority of the %s,", shown(e.Cert.Subject.String()), p.Name)
	}
	switch {
	case e.Reason == x509.Expired && time.Now().Before(e.Cert.NotBefore):
		return stays("%s is not valid before %s: set the clock of this machine (NTP); if the clock is right, have another certificate issued", what, day(e.Cert.NotBefore))
	case e.Reason == x509.Expired:
		return stays("%s expired at %s: renew it there; if it has not expired, set the clock of this machine (NTP)", what, day(e.Cert.NotAfter))
	case e.Reason == x509.IncompatibleUsage:
		return stays("%s is not meant for a server: have one issued with the extended key usage serverAuth", what)
	}
	return stays("%s does not keep the rules of X.509: have another one issued", what)
}

func day(at time.Time) string { return at.UTC().Format(time.RFC3339) }
