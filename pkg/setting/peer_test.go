package setting_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/internal/golden"
	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/httpsink"
	"github.com/sluice-siem/sluice/pkg/sink/kafka"
	"github.com/sluice-siem/sluice/pkg/sink/splunkhec"
	"github.com/sluice-siem/sluice/pkg/sink/syslog"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
)

// client is a client of the product. try connects to host:port, with TLS unless t is nil.
type client struct {
	name string
	http bool // goes through a proxy
	try  func(ctx context.Context, address string, t *setting.TLS) error
}

// clients are all that connect. A new one joins by a line.
var clients = []client{
	{"planetscale", true, tryPlanetScale},
	{"splunk_hec", true, trySplunkHEC},
	{"pagerduty", true, tryPagerDuty},
	{"slack", true, trySlack},
	{"s3", true, tryS3},
	{"syslog tcp", false, trySyslog("tcp", "tls")},
	{"syslog relp", false, trySyslog("relp", "relp+tls")},
	{"kafka", false, tryKafka},
	{"kafka check", false, checkKafka},
	{"exactly once", false, tryLedger},
}

var canary = setting.NewSecret("canary-token")

func urlOf(address string, t *setting.TLS) string {
	if t == nil {
		return "http://" + address
	}
	return "https://" + address
}

func tryS3(ctx context.Context, address string, t *setting.TLS) error {
	s := objectstore.Settings{
		Bucket: "audit", Region: "eu-central-1", Endpoint: urlOf(address, t), PathStyle: true, AllowHTTP: true,
		AccessKeyID: setting.NewSecret("AKIAIOSFODNN7EXAMPLE"), SecretAccessKey: canary,
	}
	if t != nil {
		s.TLS = *t
	}
	store := objectstore.OpenS3(&s)
	defer store.Close()
	return store.Reach(ctx)
}

func tryPlanetScale(ctx context.Context, address string, t *setting.TLS) error {
	kind := planetscale.Type()
	s := kind.Settings().(*planetscale.Settings)
	s.Organization, s.AccessToken, s.URL, s.TLS, s.AllowHTTP = "acme", canary, urlOf(address, t), t, true
	src, err := kind.Open(ctx, source.OpenEnv{Log: zerolog.Nop()}, s)
	if err != nil {
		return err
	}
	_, err = src.Check(ctx)
	return errors.Join(err, src.Close())
}

func trySplunkHEC(ctx context.Context, address string, t *setting.TLS) error {
	s := splunkhec.Type.Settings().(*splunkhec.Settings)
	s.URL, s.Token, s.AllowHTTP = urlOf(address, t), canary, true
	if t != nil {
		s.TLS = *t
	}
	return publish(ctx, splunkhec.Type, s)
}

func tryPagerDuty(ctx context.Context, address string, t *setting.TLS) error {
	s := httpsink.PagerDuty.Settings().(*httpsink.PagerDutySettings)
	s.URL, s.RoutingKey, s.AllowHTTP = urlOf(address, t)+"/v2/enqueue", canary, true
	if t != nil {
		s.TLS = *t
	}
	return publish(ctx, httpsink.PagerDuty, s)
}

func trySlack(ctx context.Context, address string, t *setting.TLS) error {
	s := httpsink.Slack.Settings().(*httpsink.SlackSettings)
	s.URL, s.AllowHTTP = setting.NewSecret(urlOf(address, t)+"/services/canary-token"), true
	if t != nil {
		s.TLS = *t
	}
	return publish(ctx, httpsink.Slack, s)
}

func trySyslog(plain, encrypted string) func(context.Context, string, *setting.TLS) error {
	return func(ctx context.Context, address string, t *setting.TLS) error {
		s := syslog.Type.Settings().(*syslog.Settings)
		scheme := plain
		if t != nil {
			scheme, s.TLS = encrypted, *t
		}
		if err := s.Address.UnmarshalText([]byte(scheme + "://" + address)); err != nil {
			return err
		}
		return publish(ctx, syslog.Type, s)
	}
}

func kafkaAt(address string, t *setting.TLS) *kafka.Settings {
	s := kafka.Type.Settings().(*kafka.Settings)
	s.Cluster.Brokers, s.Cluster.TLS, s.Topic = []string{address}, t, "audit"
	return s
}

func tryKafka(ctx context.Context, address string, t *setting.TLS) error {
	s := kafkaAt(address, t)
	s.Delivery = kafka.AtLeastOnce
	return publish(ctx, kafka.Type, s)
}

func checkKafka(ctx context.Context, address string, t *setting.TLS) error {
	snk, err := open(ctx, kafka.Type, kafkaAt(address, t))
	if err != nil {
		return err
	}
	_, err = snk.(sink.Checker).Check(ctx)
	return errors.Join(err, snk.Close())
}

func tryLedger(ctx context.Context, address string, t *setting.TLS) error {
	snk, err := open(ctx, kafka.Type, kafkaAt(address, t))
	if err != nil {
		return err
	}
	_, err = snk.(sink.Ledger).Position(ctx)
	return errors.Join(err, snk.Close())
}

func open(ctx context.Context, kind sink.Type, settings any) (sink.Sink, error) {
	return kind.Open(ctx, sink.Env{Lane: "acme/siem", Source: "acme", Dataset: "acme.audit", Log: zerolog.Nop()}, settings)
}

func publish(ctx context.Context, kind sink.Type, settings any) error {
	snk, err := open(ctx, kind, settings)
	if err != nil {
		return err
	}
	err = snk.Publish(ctx, []sink.Record{{ID: "id", Action: "a", Key: "k", Time: time.Unix(0, 0), Format: "raw", MediaType: "application/json", Body: []byte(`{"id":"id"}`)}})
	return errors.Join(err, snk.Close())
}

// cause is a server, and the settings of a client, that do not fit together.
type cause struct {
	name   string
	refuse func(net.Conn) error
	tls    *setting.TLS // nil: the client does not use TLS
	hint   string       // in the hint of every client
	only   func(client) bool
}

func TestEveryClientExplainsEveryCause(t *testing.T) {
	dir := t.TempDir()
	var text strings.Builder
	for _, c := range causes(t, dir) {
		fmt.Fprintf(&text, "# %s\n", c.name)
		for _, client := range clients {
			if c.only != nil && !c.only(client) {
				continue
			}
			ctx, cancel := context.WithCancel(t.Context())
			server := listen(t, c.refuse, cancel) // kgo tries again for as long as it may
			hint := explained(ctx, t, client, server, c)
			cancel()
			hint = strings.ReplaceAll(hint, server.Addr().String(), "HOST:PORT")
			fmt.Fprintf(&text, "%-12s %s\n", client.name, strings.ReplaceAll(hint, dir, "DIR"))
		}
		text.WriteByte('\n')
	}
	golden.Check(t, "peers.golden", text.String())
}

// explained returns the hint of a client's error.
func explained(ctx context.Context, t *testing.T, client client, server *listener, c cause) string {
	t.Helper()
	err := client.try(ctx, server.Addr().String(), c.tls)
	hint := failure.Hint(err)
	if err == nil || hint == "" || !strings.Contains(hint, c.hint) || strings.Contains(fmt.Sprint(err, hint), "canary") {
		t.Errorf("%s, %s: got the error %v with the hint %q, want a hint with %q and no secret", c.name, client.name, err, hint, c.hint)
	}
	return hint
}

func overHTTP(c client) bool { return c.http }

// causes lists what may be wrong with TLS on both sides.
func causes(t *testing.T, dir string) []cause {
	ours, other := newAuthority(t, "ours"), newAuthority(t, "other")
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		write(t, path, content)
		return path
	}
	ca, otherCA := file("ca.pem", ours.pem()), file("other.pem", other.pem())
	cert, key := ours.issue("sluice")
	trusting := &setting.TLS{CAFile: ca}
	known := &setting.TLS{CAFile: ca, CertFile: file("cert.pem", cert), KeyFile: file("key.pem", key)}
	serving := func(change func(*x509.Certificate), more ...func(*tls.Config)) func(net.Conn) error {
		config := &tls.Config{Certificates: []tls.Certificate{ours.certified(change)}}
		for _, m := range more {
			m(config)
		}
		return handshake(config)
	}
	selfSigned := handshake(&tls.Config{Certificates: []tls.Certificate{authority{t: t}.certified(nil)}})
	demands := func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }
	otherClients := func(c *tls.Config) {
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		c.ClientCAs.AddCert(other.cert)
	}
	tls12 := func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }
	const alert = "\x15\x03\x03\x00\x02\x02\x0a" // unexpected_message
	return []cause{
		{"an authority that is not known", serving(nil), &setting.TLS{}, `set tls.ca_file to the certificate of "CN=ours"`, nil},
		{"an authority that ca_file does not have", serving(nil), &setting.TLS{CAFile: otherCA}, `other.pem (tls.ca_file) has no certificate of "CN=ours"`, nil},
		{"a certificate that is signed by itself", selfSigned, &setting.TLS{}, "set tls.ca_file to a copy of the", nil},
		{"a certificate that is signed by itself, and ca_file", selfSigned, trusting, "add it to that file", nil},
		{"a certificate without subjectAltName", serving(func(c *x509.Certificate) { c.IPAddresses = nil }), trusting, "tls.server_name cannot help: have one issued with subjectAltName=IP:127.0.0.1", nil},
		{"a certificate without subjectAltName, and server_name", serving(func(c *x509.Certificate) { c.IPAddresses = nil }), &setting.TLS{CAFile: ca, ServerName: "siem.example.com"}, "tls.server_name cannot help: have one issued with subjectAltName=DNS:siem.example.com", nil},
		{"a certificate for other names", serving(func(c *x509.Certificate) {
			c.IPAddresses, c.DNSNames = []net.IP{net.IPv4(10, 0, 0, 1)}, []string{"siem.example.com", "*.siem.example.com"}
		}), trusting, `certificate is for "siem.example.com", "*.siem.example.com", "10.0.0.1": write one of them in the address, or set tls.server_name`, nil},
		{"server_name is another", serving(nil), &setting.TLS{CAFile: ca, ServerName: "siem.example.com"}, `certificate is for "127.0.0.1": set tls.server_name`, nil},
		{"an expired certificate", serving(func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC)
		}), trusting, "expired at 2021-01-01T00:00:00Z: renew it", nil},
		{"a certificate that is not valid yet", serving(func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Date(2190, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2191, 1, 1, 0, 0, 0, 0, time.UTC)
		}), trusting, "not valid before 2190-01-01T00:00:00Z: set the clock of this machine", nil},
		{"a certificate for clients", serving(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), trusting, "serverAuth", nil},
		{"a client certificate is demanded", serving(nil, demands), trusting, "demands a client certificate: set tls.cert_file and tls.key_file", nil},
		{"a client certificate is demanded, in TLS 1.2", serving(nil, demands, tls12), trusting, "if it demands a client certificate, set tls.cert_file and tls.key_file", nil},
		{"the client certificate is refused", serving(nil, otherClients), known, "does not accept the certificate in tls.cert_file", nil},
		{"the client certificate is refused, in TLS 1.2", serving(nil, otherClients, tls12), known, "does not accept the certificate in tls.cert_file", nil},
		{"TLS 1.1 at most", serving(nil, func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }), trusting, "versions of TLS before 1.2", nil},
		{"no cipher suite in common", serving(nil, tls12, func(c *tls.Config) { c.CipherSuites = []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256} }), trusting, "cipher suite", nil},
		{"ca_file is gone", serving(nil), &setting.TLS{CAFile: filepath.Join(dir, "gone.pem")}, "tls.ca_file names a file that does not exist", nil},
		{"ca_file has no certificate", serving(nil), &setting.TLS{CAFile: file("empty.pem", nil)}, "tls.ca_file must name a file in PEM format", nil},
		{"TLS to a port without, which answers", answers("HTTP/1.1 400 Bad Request\r\n\r\n"), trusting, "the port does not use TLS: ", nil},
		{"TLS to a port without, which hangs up", answers(""), trusting, "its port does not use TLS", nil},
		{"no TLS to a port with it, which sends an alert", answers(alert), nil, "the port uses TLS: ", nil},
		{"no TLS to a port with it, which hangs up", answers(""), nil, "TLS", nil},
		{"HTTP to a port of HTTPS", answers("HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"), nil, "the port uses TLS: write https://", overHTTP},
		{"the port of an HTTP server", answers("HTTP/1.1 400 Bad Request\r\n\r\n"), nil, "port", func(c client) bool { return !overHTTP(c) }},
	}
}
