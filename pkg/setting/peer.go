package setting

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
)

// Peer is a server, as the settings of its client name it. Explain says why a connection
// to it fails, for every client in the same way: certificates, TLS, proxies, the network.
type Peer struct {
	Name      string // what people call it, such as "receiver"
	Address   string // as in the settings, such as tls://siem:6514; of an HTTP server its URL
	TLS       *TLS   // nil: the client does not use TLS
	Plain     string // the change of settings after which TLS is not used, such as "remove tls"
	Encrypted string // the change of settings after which TLS is used
	Authority string // where to find the authority of a new installation; default: not known
	Elsewhere string // what else to look at if it cannot be reached; default: nothing
}

// Advice is what a person can do about an error.
type Advice struct {
	Hint  string // empty: the cause is not known
	Stays bool   // the error comes back until a person does it
}

// ErrSpeaksTLS is the error of a client that does not use TLS and whose server does. A
// client wraps it if it finds that by itself; see IsAlert.
var ErrSpeaksTLS = errors.New("the server answers with TLS")

// IsAlert reports whether the first bytes of an answer are an alert of TLS: the content
// type 21 and the version 3 (RFC 8446, section 5.1). A server that expects TLS sends one to
// a client that does not use it.
func IsAlert(answer []byte) bool { return len(answer) >= 2 && answer[0] == 21 && answer[1] == 3 }

// Explain returns what a person can do about an error of a connection to the server.
func (p Peer) Explain(err error) Advice {
	for _, explain := range []func(error) Advice{
		p.explainProxy, p.explainFile, p.explainCertificate, p.explainProtocol, p.explainAlert, p.explainNetwork,
	} {
		if a := explain(err); a.Hint != "" {
			return a
		}
	}
	return Advice{}
}

// ExplainAnswer returns what a person can do about an answer of HTTP that does not come from
// the server but from a proxy on the way, or from a port that expects TLS or a client
// certificate. It has no Hint for any other answer.
func (p Peer) ExplainAnswer(status int, body []byte) Advice {
	proxy, variable := p.proxy()
	switch {
	case status == http.StatusProxyAuthRequired && proxy != "":
		return stays("the proxy %s of %s asks for other credentials: write them in the variable as http://USER:PASSWORD@HOST:PORT, with special characters in them as %%XX", proxy, variable)
	case status == http.StatusBadRequest && p.TLS == nil && containsAny(body, plainOnTLS):
		return stays("the port uses TLS: %s", p.Encrypted)
	case status == http.StatusBadRequest && p.TLS != nil && containsAny(body, withoutCertificate):
		return stays("the %s refuses this client: check %s", p.Name, p.identity())
	}
	return Advice{}
}

func containsAny(body []byte, texts []string) bool {
	return slices.ContainsFunc(texts, func(text string) bool { return bytes.Contains(body, []byte(text)) })
}

// plainOnTLS is what servers answer with status 400 to HTTP without TLS on a port with TLS.
var plainOnTLS = []string{
	"Client sent an HTTP request to an HTTPS server",    // Go, net/http: server.go
	"The plain HTTP request was sent to HTTPS port",     // nginx, ngx_http_special_response.c
	"speaking plain HTTP to an SSL-enabled server port", // Apache httpd, modules/ssl
}

// withoutCertificate is what nginx answers with status 400 to a client without a certificate,
// or with another one than it accepts (ngx_http_special_response.c).
var withoutCertificate = []string{
	"No required SSL certificate was sent",
	"The SSL certificate error",
}

func stays(format string, args ...any) Advice { return Advice{fmt.Sprintf(format, args...), true} }

func passes(format string, args ...any) Advice { return Advice{fmt.Sprintf(format, args...), false} }

// explainFile is about the files that the settings name.
func (p Peer) explainFile(err error) Advice {
	file, ok := errors.AsType[*fileError](err)
	switch {
	case !ok:
		return Advice{}
	case errors.Is(err, fs.ErrPermission):
		return stays("let the user that runs sluice (uid %d) read the file that tls.%s names", os.Geteuid(), file.key)
	case errors.Is(err, fs.ErrNotExist):
		return stays("tls.%s names a file that does not exist: correct the path, or mount the file there", file.key)
	}
	return stays("tls.%s must name a file in PEM format, and tls.key_file the key of tls.cert_file", file.key)
}

// explainProtocol is about two sides of which only one uses TLS, or that share no version.
func (p Peer) explainProtocol(err error) Advice {
	var shake error
	if e, ok := errors.AsType[*handshakeError](err); ok {
		shake = e.error
	}
	text := err.Error()
	switch {
	case errors.As(err, new(tls.RecordHeaderError)), errors.Is(err, http.ErrSchemeMismatch):
		return stays("the port does not use TLS: %s, or use the %s's port with TLS", p.Plain, p.Name)
	case errors.Is(err, ErrSpeaksTLS), isAlertInHTTP(text):
		return stays("the port uses TLS: %s", p.Encrypted)
	case isNoHTTP(text):
		return stays("the port does not answer in HTTP: make sure that %s is the address of the %s%s", p.Address, p.Name, p.also())
	// crypto/tls, handshake_client.go: pickTLSVersion; it has no type.
	case strings.Contains(text, "tls: server selected unsupported protocol version"):
		return stays(oldTLS, p.Name)
	// net/http, transport.go: tlsHandshakeTimeoutError; it has no name outside.
	case errors.Is(shake, context.DeadlineExceeded), strings.Contains(text, "net/http: TLS handshake timeout"):
		return passes("the %s took the connection and did not answer in TLS: if its port does not use TLS, %s; otherwise see whether it is overloaded", p.Name, p.Plain)
	case hungUp(shake):
		return stays("the %s ended the connection instead of a TLS handshake: if its port does not use TLS, %s; otherwise see its log", p.Name, p.Plain)
	}
	return Advice{}
}

const oldTLS = "the %s offers only versions of TLS before 1.2, which are not safe: enable TLS 1.2 or 1.3 there"

// isAlertInHTTP reports whether net/http read an alert in place of an answer (response.go:
// badStringError, which quotes the line; it has no type).
func isAlertInHTTP(text string) bool {
	return strings.Contains(text, `malformed HTTP response "\x15\x03`)
}

// isNoHTTP reports whether net/http could not read an answer (response.go: ReadResponse;
// net/textproto, reader.go: ReadMIMEHeader; the errors have no type).
func isNoHTTP(text string) bool {
	return strings.Contains(text, "malformed HTTP ") || strings.Contains(text, "malformed MIME header")
}

// hungUp reports whether the other side ended the connection. net/http has only a text for
// it where it used HTTP/2 (h2_bundle.go: errClientConnNotEstablished, closeForLostPing).
func hungUp(err error) bool {
	if err != nil && (strings.Contains(err.Error(), "http2: client conn could not be established") || strings.Contains(err.Error(), "http2: client connection lost")) {
		return true
	}
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}

// explainNetwork is about a server that cannot be reached, or ends the connection.
func (p Peer) explainNetwork(err error) Advice {
	switch {
	case errors.As(err, new(*net.DNSError)):
		return passes("make sure that the name in %s is right and that this machine can resolve it%s", p.Address, p.also())
	case errors.Is(err, syscall.ECONNREFUSED):
		return passes("start the %s, or make sure that it listens on %s%s", p.Name, p.Address, p.also())
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.ENETDOWN):
		return passes("there is no way from this machine to %s: check its network and firewalls%s", p.Address, p.also())
	case isTimeout(err):
		// A server of another protocol may wait, as the client does.
		return passes("make sure that this machine can reach %s through all firewalls, that it is the %s's port for this protocol, and that the %[2]s is not overloaded%[3]s", p.Address, p.Name, p.also())
	case hungUp(err) && p.TLS == nil:
		return passes("the %s ended the connection: see its log; it may have stopped or have too many connections, or its port may use TLS: then %s%s", p.Name, p.Encrypted, p.also())
	case hungUp(err):
		return passes("the %s ended the connection: see its log; it may have stopped or have too many connections, or refuse this client: check %s%s%s", p.Name, p.identity(), p.perhapsPlain(), p.also())
	}
	return Advice{}
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded)
}

// perhapsPlain is about the end of a connection that net/http reports in the same way
// during a handshake and after it. Dial tells these apart.
func (p Peer) perhapsPlain() string {
	if p.scheme() == "" {
		return ""
	}
	return "; or its port does not use TLS: then " + p.Plain
}

// also adds what else to look at: the proxy on the way, and what only the client knows.
func (p Peer) also() string {
	var more string
	if p.Elsewhere != "" {
		more = "; " + p.Elsewhere
	}
	switch proxy, variable := p.proxy(); {
	case proxy != "":
		more += fmt.Sprintf("; the proxy %s of %s is on the way", proxy, variable)
	case p.scheme() != "":
		more += fmt.Sprintf("; if it is reached through a proxy, set %s", variables[p.scheme()][0])
	}
	return more
}

// identity names the settings by which the server knows this client.
func (p Peer) identity() string {
	if p.TLS.CertFile == "" {
		return "whether it demands a client certificate (tls.cert_file and tls.key_file)"
	}
	return "whether it accepts the certificate in tls.cert_file"
}
