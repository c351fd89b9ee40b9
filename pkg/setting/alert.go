package setting

import (
	"crypto/tls"
	"errors"
	"net"
)

// Alerts that a server sends over a client that it refuses (RFC 8446, section 6.2; the
// first is also what TLS 1.2 has for a missing certificate, RFC 5246, section 7.2.2).
const (
	handshakeFailure       tls.AlertError = 40
	badCertificate         tls.AlertError = 42
	unsupportedCertificate tls.AlertError = 43
	certificateRevoked     tls.AlertError = 44
	certificateExpired     tls.AlertError = 45
	certificateUnknown     tls.AlertError = 46
	unknownAuthority       tls.AlertError = 48
	accessDenied           tls.AlertError = 49
	decryptError           tls.AlertError = 51
	protocolVersion        tls.AlertError = 70
	insufficientSecurity   tls.AlertError = 71
	internalError          tls.AlertError = 80
	unrecognizedName       tls.AlertError = 112
	certificateRequired    tls.AlertError = 116
)

// remoteAlert returns the alert that the server sent. crypto/tls has no exported type for
// it: it wraps one of its own in a net.OpError (conn.go, readRecordOrCCS), whose text is
// that of a tls.AlertError.
func remoteAlert(err error) (text string, ok bool) {
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || op.Op != "remote error" {
		return "", false
	}
	return op.Err.Error(), true
}

// explainAlert is about a server that refuses the client with an alert.
func (p Peer) explainAlert(err error) Advice {
	text, ok := remoteAlert(err)
	if !ok {
		return Advice{}
	}
	sent := func(any ...tls.AlertError) bool {
		for _, alert := range any {
			if alert.Error() == text {
				return true
			}
		}
		return false
	}
	anonymous := p.TLS == nil || p.TLS.CertFile == ""
	switch {
	case sent(certificateRequired) && anonymous:
		return stays("the %s demands a client certificate: set tls.cert_file and tls.key_file to one that it accepts", p.Name)
	case sent(protocolVersion):
		return stays(oldTLS, p.Name)
	case sent(unrecognizedName):
		return stays("the %s does not know the name that the client asked for: set tls.server_name to a name in its certificate", p.Name)
	case sent(internalError):
		return passes("the %s failed during the TLS handshake: see its log", p.Name)
	case sent(insufficientSecurity), sent(handshakeFailure) && !anonymous:
		return stays("the %s shares no cipher suite with this client, or does not accept tls.cert_file: see its log", p.Name)
	case sent(handshakeFailure, badCertificate) && anonymous:
		return stays("the %s refused the TLS handshake: if it demands a client certificate, set tls.cert_file and tls.key_file; otherwise they share no cipher suite, which its log tells", p.Name)
	case sent(badCertificate, unsupportedCertificate, certificateRevoked, certificateExpired, certificateUnknown,
		unknownAuthority, accessDenied, decryptError, certificateRequired) && !anonymous:
		return stays("the %s does not accept the certificate in tls.cert_file (%s): check its dates, its authority and its extended key usage clientAuth, and which authorities the %s trusts", p.Name, text, p.Name)
	}
	return stays("the %s ended the TLS handshake (%s): see its log for the reason; if it demands a client certificate, set tls.cert_file and tls.key_file", p.Name, text)
}
