package setting

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
)

// TLSHint returns what a person can do about err, the error of a TLS handshake; empty
// if err is about something else. peer is the word for the server, such as "broker".
func TLSHint(err error, peer string) string {
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		remote    *net.OpError
	)
	switch {
	case errors.As(err, &authority):
		return fmt.Sprintf("set tls.ca_file to the authority that signed the %s's certificate", peer)
	case errors.As(err, &name):
		return fmt.Sprintf("set tls.server_name to a name in the %s's certificate, or use such a name in the address", peer)
	case errors.As(err, &invalid):
		return fmt.Sprintf("the %s's certificate is not valid: check its dates and purpose, and the clock of this machine", peer)
	case errors.As(err, &remote) && remote.Op == "remote error": // an alert; see crypto/tls, conn.go
		return fmt.Sprintf("the %s ended the TLS handshake; see its log for the reason; if it requires a client certificate, set tls.cert_file and tls.key_file", peer)
	}
	return ""
}
