package setting_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/internal/golden"
	"github.com/sluice-siem/sluice/pkg/setting"
)

// proxied is the proxy of HTTPS_PROXY in all tests, and gone that of HTTP_PROXY, which
// nobody listens at. net/http reads the environment once in a process, and uses no proxy
// for loopback addresses.
var proxied, gone string

func TestMain(m *testing.M) {
	proxy := httptest.NewServer(http.HandlerFunc(refuseConnect))
	port, err := deafPort()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	proxied, gone = proxy.Listener.Addr().String(), fmt.Sprintf("127.0.0.1:%d", port)
	for variable, value := range map[string]string{
		"HTTPS_PROXY": "http://sluice:canary-password@" + proxied, "HTTP_PROXY": "http://" + gone, "NO_PROXY": "", "no_proxy": "",
	} {
		if err := os.Setenv(variable, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	// Tests change these variables. What net/http uses is decided here, whichever runs first.
	if _, err := http.ProxyFromEnvironment(httptest.NewRequest(http.MethodGet, "https://siem.test", nil)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	proxy.Close()
	os.Exit(code)
}

// deafPort takes a port of 127.0.0.1 until the process ends, and listens at none: every
// connection is refused. The port of a listener that was closed may get another listener.
func deafPort() (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return 0, err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, err
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		return 0, err
	}
	return at.(*unix.SockaddrInet4).Port, nil
}

// refuseConnect is a proxy that refuses by the host that it shall connect to.
func refuseConnect(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Hostname() {
	case "login.test":
		w.Header().Set("Proxy-Authenticate", `Basic realm="canary"`)
		w.WriteHeader(http.StatusProxyAuthRequired)
	case "tinyproxy.test":
		w.WriteHeader(http.StatusUnauthorized)
	case "ntlm.test":
		w.Header().Add("Proxy-Authenticate", "NTLM")
		w.Header().Add("Proxy-Authenticate", "Negotiate abc")
		w.WriteHeader(http.StatusProxyAuthRequired)
	case "forbidden.test":
		w.WriteHeader(http.StatusForbidden)
	default:
		w.WriteHeader(http.StatusBadGateway)
	}
}

func TestEveryHTTPClientExplainsTheProxy(t *testing.T) {
	var text strings.Builder
	for _, c := range []struct {
		name, address string
		tls           *setting.TLS
		hint          string
	}{
		{"the proxy does not accept the credentials", "login.test:443", &setting.TLS{}, "does not accept the user and the password in HTTPS_PROXY"},
		{"the proxy does not accept the credentials, and is tinyproxy", "tinyproxy.test:443", &setting.TLS{}, "does not accept the user and the password in HTTPS_PROXY"},
		{"the proxy has another authentication", "ntlm.test:443", &setting.TLS{}, `only the authentication "NTLM", "Negotiate"`},
		{"the proxy forbids the host", "forbidden.test:443", &setting.TLS{}, "does not allow connections to forbidden.test:443"},
		{"the proxy does not reach the host", "gateway.test:443", &setting.TLS{}, "cannot reach gateway.test:443"},
		{"nothing listens at the proxy's address", "unreachable.test:80", nil, "of HTTP_PROXY cannot be reached"},
	} {
		fmt.Fprintf(&text, "# %s\n", c.name)
		for _, client := range clients {
			if !client.http {
				continue
			}
			err := client.try(t.Context(), c.address, c.tls)
			hint := failure.Hint(err)
			if err == nil || hint == "" || !strings.Contains(hint, c.hint) || strings.Contains(fmt.Sprint(err, hint), "canary") {
				t.Errorf("%s, %s: got the error %v with the hint %q, want a hint with %q and no secret", c.name, client.name, err, hint, c.hint)
			}
			fmt.Fprintf(&text, "%-12s %s\n", client.name, strings.NewReplacer(proxied, "PROXY:PORT", gone, "PROXY:PORT").Replace(hint))
		}
		text.WriteByte('\n')
	}
	golden.Check(t, "proxies.golden", text.String())
}

// through returns the advice about a request through a proxy that the environment cannot
// name in this process.
func through(t *testing.T, proxy string) (setting.Advice, error) {
	t.Helper()
	u, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}
	var none *setting.TLS
	client := &http.Client{Transport: none.Transport(&http.Transport{Proxy: http.ProxyURL(u)})}
	defer client.CloseIdleConnections()
	answer, err := client.Get("https://login.test")
	if err == nil {
		_ = answer.Body.Close()
		t.Fatal("got an answer through a proxy that refuses")
	}
	return setting.Peer{Name: "server", Address: "https://login.test"}.Explain(err), err
}

func TestProxies(t *testing.T) {
	secure := httptest.NewTLSServer(http.HandlerFunc(refuseConnect))
	secure.Config.ErrorLog = discard
	t.Cleanup(secure.Close)
	alert := listen(t, answers("\x15\x03\x01\x00\x02\x02\x50\r\n\r\n"), func() {})
	ssh := listen(t, answers("SSH-2.0-OpenSSH_9.9\r\n\r\n"), func() {})
	garbage := listen(t, answers("HTTP/1.1 canary\r\n\r\n"), func() {})
	const noProxy = "does not answer in HTTP: correct the variable; if the port of the proxy uses TLS, write https:// in it"
	socks := listen(t, answers("\x05\xff"), func() {}) // no acceptable methods (RFC 1928, section 3)
	for _, c := range []struct{ name, proxy, hint string }{
		{"no credentials", "http://" + proxied, "the proxy asks for credentials: write them in HTTPS_PROXY as http://USER:PASSWORD@" + proxied},
		{"https:// for a proxy without TLS", "https://" + proxied, "the port does not use TLS: write http:// in HTTPS_PROXY"},
		{"a proxy whose authority is not known", secure.URL, "set tls.ca_file to a copy of the proxy's certificate"},
		{"http:// for a port with TLS", "http://" + alert.Addr().String(), noProxy},
		{"another protocol", "http://" + ssh.Addr().String(), noProxy},
		{"a status that is no number", "http://" + garbage.Addr().String(), noProxy},
		{"SOCKS", "socks5://" + socks.Addr().String(), "does not connect: see its log, and check the credentials in HTTPS_PROXY"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if a, err := through(t, c.proxy); !strings.Contains(a.Hint, c.hint) {
				t.Errorf("got the hint %q for %v, want %q", a.Hint, err, c.hint)
			}
		})
	}
}

func TestExplainAnswerOfAProxy(t *testing.T) {
	p := setting.Peer{Name: "server", Address: "http://siem.test"}
	if a := p.ExplainAnswer(http.StatusProxyAuthRequired, nil); !a.Stays || !strings.Contains(a.Hint, "of HTTP_PROXY asks for other credentials") {
		t.Errorf("got %+v, want that the proxy of HTTP_PROXY asks for credentials", a)
	}
	if a := p.ExplainAnswer(http.StatusBadRequest, []byte("bad token")); a.Hint != "" {
		t.Errorf("got %+v for an answer of the server, want nothing", a)
	}
}

// A server says in HTTP that a client certificate is missing, or is not the right one.
func TestExplainAnswerAboutACertificate(t *testing.T) {
	for _, tt := range []struct {
		tls        *setting.TLS
		body, hint string
	}{
		{&setting.TLS{}, "<title>400 No required SSL certificate was sent</title>", "whether it demands a client certificate (tls.cert_file and tls.key_file)"},
		{&setting.TLS{CertFile: "c.pem"}, "<title>400 The SSL certificate error</title>", "whether it accepts the certificate in tls.cert_file"},
		{nil, "<title>400 No required SSL certificate was sent</title>", ""},
	} {
		p := setting.Peer{Name: "server", Address: "https://siem.test", TLS: tt.tls}
		if a := p.ExplainAnswer(http.StatusBadRequest, []byte(tt.body)); a.Stays != (tt.hint != "") || !strings.Contains(a.Hint, tt.hint) {
			t.Errorf("%s: got %+v, want the hint %q", tt.body, a, tt.hint)
		}
	}
}

// A variable that names no proxy is told, and its value is not shown.
func TestCheckProxy(t *testing.T) {
	for _, c := range []struct{ value, err string }{
		{"", ""},
		{"http://proxy.test:3128", ""},
		{"http://user:p%40ss@proxy.test:3128/", ""},
		{"proxy.test:3128", ""},
		{"user:canary@proxy.test:3128", ""},
		{"proxy", ""},
		{"https://proxy.test", ""},
		{"socks5://127.0.0.1:1080", ""},
		{"http://user:can%ary@proxy.test:3128", "invalid URL escape [redacted]"},
		{"http://user:can#ary@proxy.test:3128", "invalid port [redacted] after host"},
		{"http://user:canary/x@proxy.test:3128", "invalid port [redacted] after host"},
		{"http://user:12/canary@proxy.test:3128", "it has more than a scheme, credentials, a host and a port"},
		{"http://proxy.test:canary", "invalid port [redacted] after host"},
		{"http://proxy canary:3128", "invalid character [redacted] in host name"},
		{"ftp://canary.test:21", "it begins with none of http://, https://, socks5:// and socks5h://"},
		{"http://", "it has no host"},
		{"http://:3128", "it has no host"},
	} {
		for _, variable := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"} {
			for _, other := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"} {
				t.Setenv(other, "")
			}
			t.Setenv(variable, c.value)
			err := setting.CheckProxy()
			if c.err == "" {
				if err != nil {
					t.Errorf("%s=%s: got %v, want nil", variable, c.value, err)
				}
				continue
			}
			var wrong *setting.ProxyError
			if !errors.As(err, &wrong) || wrong.Variable != variable || !strings.HasSuffix(err.Error(), c.err) {
				t.Errorf("%s=%s: got %v, want %s", variable, c.value, err, c.err)
			}
			if text := fmt.Sprint(err, failure.Hint(err)); strings.Contains(text, "can") || !strings.Contains(text, variable+"=http://USER:PASSWORD@HOST:PORT") {
				t.Errorf("got %s, want how to write it, and not the value", text)
			}
		}
	}
}

// Not even a request for which nobody called CheckProxy leaves without the proxy.
func TestARequestFailsIfItsVariableNamesNoProxy(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://user:can%ary@proxy.test:3128")
	for _, client := range clients {
		if !client.http {
			continue
		}
		err := client.try(t.Context(), "siem.test:443", &setting.TLS{})
		if text := fmt.Sprint(err, failure.Hint(err)); !errors.As(err, new(*setting.ProxyError)) || !strings.Contains(text, "write HTTPS_PROXY=") || strings.Contains(text, "ary@") {
			t.Errorf("%s: got %s, want that HTTPS_PROXY names no proxy", client.name, text)
		}
	}
}

// Without a proxy, the server itself does not answer in HTTP.
func TestAServerThatIsNone(t *testing.T) {
	ssh := listen(t, answers("SSH-2.0-OpenSSH_9.9\r\n\r\n"), func() {})
	address := ssh.Addr().String()
	for _, client := range clients {
		if !client.http {
			continue
		}
		err := client.try(t.Context(), address, nil)
		if hint := failure.Hint(err); !strings.Contains(hint, "the port does not answer in HTTP: make sure that http://"+address) {
			t.Errorf("%s: got the hint %q for %v", client.name, hint, err)
		}
	}
}
