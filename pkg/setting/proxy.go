package setting

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
)

// variables of the environment that name a proxy, by the scheme of a request; the first
// one that is not empty counts (golang.org/x/net/http/httpproxy, FromEnvironment).
var variables = map[string][]string{
	"https": {"HTTPS_PROXY", "https_proxy"},
	"http":  {"HTTP_PROXY", "http_proxy"},
}

// fromEnvironment returns the variable that names the proxy for a scheme, and its value.
func fromEnvironment(scheme string) (variable, value string) {
	for _, variable := range variables[scheme] {
		if value := os.Getenv(variable); value != "" {
			return variable, value
		}
	}
	return "", ""
}

// ProxyError is a variable of the environment that does not name a proxy.
type ProxyError struct {
	Variable string
	Err      error
}

func (e *ProxyError) Error() string {
	return fmt.Sprintf("the environment variable %s does not name a proxy: %v", e.Variable, e.Err)
}

func (e *ProxyError) Unwrap() error { return e.Err }

// ErrorHint says how to write the variable.
func (e *ProxyError) ErrorHint() string {
	return fmt.Sprintf("write %s=http://USER:PASSWORD@HOST:PORT, with USER:PASSWORD@ only if the proxy asks for them and with special characters in them as %%XX (@ is %%40, : is %%3A, / is %%2F, # is %%23, %% is %%25); or remove the variable", e.Variable)
}

// CheckProxy returns a *ProxyError if HTTPS_PROXY, HTTP_PROXY, or one of their forms in
// lower case, does not name a proxy. Package net/http ignores such a variable and connects
// directly (golang.org/x/net/http/httpproxy, config.init), although somebody wants all
// requests to go through a proxy.
func CheckProxy() error {
	return cmp.Or(checkVariable("https"), checkVariable("http"))
}

// checkProxyFor checks the variable that a request to u obeys. A request to a loopback
// address obeys none.
func checkProxyFor(u *url.URL) error {
	if ip := net.ParseIP(u.Hostname()); u.Hostname() == "localhost" || ip.IsLoopback() {
		return nil
	}
	return checkVariable(u.Scheme)
}

func checkVariable(scheme string) error {
	variable, value := fromEnvironment(scheme)
	if value == "" {
		return nil
	}
	if err := checkProxy(value); err != nil {
		return &ProxyError{variable, err}
	}
	return nil
}

// checkProxy accepts a URL, or host:port as net/http does. Its errors do not show the
// value, which may hold a password.
func checkProxy(value string) error {
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	u, err := url.Parse(value)
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return errors.New(quotation.ReplaceAllString(wrapped.Err.Error(), "[redacted]"))
	}
	switch {
	case !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme):
		return errors.New("it begins with none of http://, https://, socks5:// and socks5h://")
	case u.Hostname() == "":
		return errors.New("it has no host")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return errors.New("it has more than a scheme, credentials, a host and a port")
	}
	return nil
}

// quotation is a part of the value in an error of net/url.
var quotation = regexp.MustCompile(`"(?:\\.|[^"\\])*"`)

// refusedConnect is the answer of a proxy that does not connect.
type refusedConnect struct {
	proxy   *url.URL
	to      string   // host:port
	code    int      // of HTTP
	schemes []string // of authentication that the proxy offers
}

func (e *refusedConnect) Error() string {
	return fmt.Sprintf("the proxy %s does not connect to %s: %d %s", plainURL(e.proxy), e.to, e.code, http.StatusText(e.code))
}

// connected is the hook of net/http for the answer of a proxy to CONNECT. Without it the
// error would be the text of the status alone.
func connected(_ context.Context, proxy *url.URL, request *http.Request, answer *http.Response) error {
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	e := &refusedConnect{proxy: proxy, to: request.Host, code: answer.StatusCode}
	for _, offer := range answer.Header.Values("Proxy-Authenticate") {
		scheme, _, _ := strings.Cut(offer, " ")
		e.schemes = append(e.schemes, scheme)
	}
	return e
}

// plainURL is a URL without credentials.
func plainURL(u *url.URL) string { return u.Scheme + "://" + u.Host }

func (p Peer) scheme() string {
	scheme, _, _ := strings.Cut(p.Address, "://")
	if variables[scheme] == nil {
		return "" // no proxy applies
	}
	return scheme
}

// host is the one that NO_PROXY may name.
func (p Peer) host() string {
	if u, err := url.Parse(p.Address); err == nil && u.Hostname() != "" {
		return u.Hostname()
	}
	return p.Address
}

// proxy returns the proxy on the way to the server, and the variable that names it; empty
// if there is none.
func (p Peer) proxy() (address, variable string) {
	u, err := url.Parse(p.Address)
	if err != nil || p.scheme() == "" {
		return "", ""
	}
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u})
	if err != nil || proxy == nil {
		return "", ""
	}
	variable, _ = fromEnvironment(u.Scheme)
	return plainURL(proxy), variable
}

// explainProxy is about a proxy that refuses, or that cannot be reached.
func (p Peer) explainProxy(err error) Advice {
	if wrong, ok := errors.AsType[*ProxyError](err); ok {
		return stays("%s", wrong.ErrorHint())
	}
	proxy, variable := p.proxy()
	if refused, ok := errors.AsType[*refusedConnect](err); ok {
		return refused.explain(variable)
	}
	if proxy != "" && isNoHTTP(err.Error()) {
		return stays("the proxy %s of %s does not answer in HTTP: correct the variable; if the port of the proxy uses TLS, write https:// in it, and for SOCKS socks5://", proxy, variable)
	}
	op, ok := errors.AsType[*net.OpError](err)
	switch {
	case !ok:
		return Advice{}
	case op.Op == "socks connect": // net/http, socks_bundle.go: Command.String
		return passes("the proxy %s of %s does not connect: see its log, and check the credentials in %[2]s", proxy, variable)
	case op.Op != "proxyconnect": // net/http, transport.go: dialConn
		return Advice{}
	}
	via := Peer{Name: "proxy", Address: variable, TLS: p.TLS, Plain: "write http:// in " + variable}
	if a := (Peer{Name: via.Name, TLS: via.TLS}).explainCertificate(op.Err); a.Hint != "" {
		return a
	}
	if a := via.explainProtocol(op.Err); a.Hint != "" {
		return a
	}
	return passes("the proxy %s of %s cannot be reached: start it, correct the variable, or name %s in NO_PROXY if it can be reached without", proxy, variable, p.host())
}

func (e *refusedConnect) explain(variable string) Advice {
	// tinyproxy answers 401 to wrong credentials.
	asks := e.code == http.StatusProxyAuthRequired || e.code == http.StatusUnauthorized
	basic := func(scheme string) bool { return strings.EqualFold(scheme, "basic") }
	switch {
	case asks && len(e.schemes) > 0 && !slices.ContainsFunc(e.schemes, basic):
		return stays("the proxy %s accepts only the authentication %s, and sluice has only Basic: allow Basic there, or let this machine through without", plainURL(e.proxy), list(e.schemes))
	case asks && e.proxy.User == nil:
		return stays("the proxy asks for credentials: write them in %s as http://USER:PASSWORD@%s, with special characters in them as %%XX", variable, e.proxy.Host)
	case asks:
		return stays("the proxy does not accept the user and the password in %s: correct them, with special characters in them as %%XX", variable)
	case e.code >= 500:
		return passes("the proxy %s of %s cannot reach %s: make sure that the address is right and that the proxy can resolve and reach it", plainURL(e.proxy), variable, e.to)
	}
	return stays("the proxy %s of %s does not allow connections to %s: allow them there, or name the host in NO_PROXY if it can be reached without", plainURL(e.proxy), variable, e.to)
}
