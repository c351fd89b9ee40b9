package kafka_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/kafka"
)

func login(mechanism, user string, password setting.Secret) *kafkaclient.SASL {
	return &kafkaclient.SASL{Mechanism: mechanism, Username: user, Password: password}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestPermissions(t *testing.T) {
	allow := func(op kmsg.ACLOperation, topic string) kfake.ACL {
		return kfake.ACL{
			Resource: kmsg.ACLResourceTypeTopic, Name: topic, Pattern: kmsg.ACLResourcePatternTypeLiteral,
			Operation: op, Allow: true,
		}
	}
	tests := []struct {
		name   string
		has    []kfake.ACL
		code   error
		advice string
	}{
		{
			"nothing is allowed", nil,
			kerr.TopicAuthorizationFailed, "--add --allow-principal User:sluice --operation Write --operation Describe --topic " + topic,
		},
		{
			"the topic may only be seen", []kfake.ACL{allow(kmsg.ACLOperationDescribe, topic)},
			kerr.ClusterAuthorizationFailed, "--operation IdempotentWrite --cluster",
		},
		{
			"another topic may be written to", []kfake.ACL{allow(kmsg.ACLOperationDescribe, topic), allow(kmsg.ACLOperationWrite, "another")},
			kerr.TopicAuthorizationFailed, "--operation Write",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := start(t, kfake.EnableSASL(), kfake.EnableACLs(),
				kfake.Superuser("PLAIN", "admin", "admin"), kfake.User("PLAIN", "sluice", "secret", tt.has...))
			s := settings(c)
			s.Cluster.SASL = login("PLAIN", "sluice", setting.NewSecret("secret"))
			snk := open(t, s)
			expectDestination(t, snk.Publish(within(t, 10*time.Second), batch(0, 10, 3, 50)), tt.code, tt.advice)
			_, err := snk.(sink.Checker).Check(within(t, 10*time.Second))
			if got := class(err); got != "destination" {
				t.Errorf("Check: got class %q, want destination: %v", got, err)
			}

			grant(t, c)
			if err := snk.Publish(within(t, 10*time.Second), batch(0, 10, 3, 50)); err != nil {
				t.Errorf("Publish after it was allowed: %v", err)
			}
			if _, err := snk.(sink.Checker).Check(within(t, 10*time.Second)); err != nil {
				t.Errorf("Check after it was allowed: %v", err)
			}
		})
	}
}

// grant follows the hints.
func grant(t *testing.T, c *kfake.Cluster) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.SASL(plain.Auth{User: "admin", Pass: "admin"}.AsMechanism()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	acl := kadm.NewACLs().Topics(topic).Allow("User:sluice").AllowHosts("*").Operations(kadm.OpWrite, kadm.OpDescribe)
	results, err := kadm.NewClient(cl).CreateACLs(t.Context(), acl)
	for _, r := range results {
		err = errors.Join(err, r.Err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestWrongPasswordIsReportedAtOnce(t *testing.T) {
	c := start(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "sluice", "secret"))
	refusing := true
	c.ControlKey(kmsg.SASLAuthenticate.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		resp := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		resp.ErrorCode = kerr.SaslAuthenticationFailed.Code
		return resp, nil, refusing
	})
	s := settings(c)
	s.Cluster.SASL = login("PLAIN", "sluice", setting.NewSecret("secret"))
	snk := open(t, s)
	for range 2 {
		// The deadline limits the test; Publish must end before it.
		err := snk.Publish(within(t, time.Minute), batch(0, 10, 3, 50))
		expectDestination(t, err, kerr.SaslAuthenticationFailed, "sasl.password")
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the password is in the error: %v", err)
		}
	}
	_, err := snk.(sink.Checker).Check(within(t, time.Minute))
	expectDestination(t, err, kerr.SaslAuthenticationFailed, "sasl.password")
}

func TestUnreadablePassword(t *testing.T) {
	c := start(t, kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "sluice", "secret"))
	file := filepath.Join(t.TempDir(), "password")
	s := settings(c)
	s.Cluster.SASL = login("SCRAM-SHA-512", "sluice", setting.SecretFile(file))
	snk := open(t, s)
	err := snk.Publish(within(t, time.Minute), batch(0, 10, 3, 50))
	expectDestination(t, err, os.ErrNotExist, "sasl.password")
	write(t, file, "secret\n")
	if err := snk.Publish(within(t, 10*time.Second), batch(0, 10, 3, 50)); err != nil {
		t.Errorf("after the file was there: %v", err)
	}
}

func TestPasswordIsRotated(t *testing.T) {
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		t.Run(mechanism, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "password")
			write(t, file, "old")
			c := start(t, kfake.EnableSASL(), kfake.Superuser(mechanism, "sluice", "old"))
			s := settings(c)
			s.Cluster.SASL = login(mechanism, "sluice", setting.SecretFile(file))
			snk := open(t, s)
			if err := snk.Publish(within(t, 10*time.Second), batch(0, 10, 3, 50)); err != nil {
				t.Fatal(err)
			}
			port := c.ListenAddrs()[0][strings.LastIndex(c.ListenAddrs()[0], ":")+1:]
			c.Close()
			start(t, kfake.EnableSASL(), kfake.Superuser(mechanism, "sluice", "new"), atPort(port))
			if err := snk.Publish(within(t, time.Second), batch(0, 10, 3, 50)); err == nil || sink.IsPermanent(err) {
				t.Errorf("with the old password: got %v, want an error that may be retried", err)
			}
			write(t, file, "new")
			if err := snk.Publish(within(t, 10*time.Second), batch(0, 10, 3, 50)); err != nil {
				t.Errorf("with the new password: %v", err)
			}
		})
	}
}

func atPort(port string) kfake.Opt {
	return kfake.ListenFn(func(network, _ string) (net.Listener, error) {
		return net.Listen(network, net.JoinHostPort("127.0.0.1", port))
	})
}

// authority is a certificate authority with a server's certificate for the loopback
// address.
func authority(t *testing.T) (ca string, server tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	ca = filepath.Join(t.TempDir(), "ca.pem")
	write(t, ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	return ca, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// hangUp listens and closes every connection, as a Kafka listener without TLS does
// after the first bytes of a handshake.
func hangUp(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return // the listener was closed
			}
			_, err = conn.Read(make([]byte, 1<<10))
			if errors.Is(err, io.EOF) { // the other side closed first
				err = nil
			}
			if err := errors.Join(err, conn.Close()); err != nil {
				t.Error(err)
			}
		}
	}()
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
	return l.Addr().String()
}

// requiring is a broker that lets nobody in without a client certificate.
func requiring(t *testing.T, server tls.Certificate, version uint16) string {
	c := start(t, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{server}, MaxVersion: version, ClientAuth: tls.RequireAnyClientCert}))
	return c.ListenAddrs()[0]
}

func TestTLS(t *testing.T) {
	ca, server := authority(t)
	secure := start(t, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{server}}))
	brokers := secure.ListenAddrs()[0]
	tests := []struct {
		name   string
		broker string
		tls    *setting.TLS
		advice string // empty: it works
	}{
		{"an authority that is named", brokers, &setting.TLS{CAFile: ca}, ""},
		{"no verification", brokers, &setting.TLS{InsecureSkipVerify: true}, ""},
		{"an authority that is unknown", brokers, &setting.TLS{}, "tls.ca_file"},
		{"a certificate for another name", brokers, &setting.TLS{CAFile: ca, ServerName: "kafka.example"}, "tls.server_name"},
		{"a broker that requires a certificate", requiring(t, server, tls.VersionTLS13), &setting.TLS{CAFile: ca}, "tls.cert_file"},
		{"a broker that requires a certificate, with TLS 1.2", requiring(t, server, tls.VersionTLS12), &setting.TLS{CAFile: ca}, "tls.cert_file"},
		{"a broker that hangs up on TLS", hangUp(t), &setting.TLS{CAFile: ca}, "TLS"},
		{"a broker that wants TLS", brokers, nil, "TLS"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := settings(secure)
			s.Cluster.Brokers, s.Cluster.TLS = []string{tt.broker}, tt.tls
			err := open(t, s).Publish(within(t, 3*time.Second), batch(0, 10, 3, 50))
			switch {
			case tt.advice == "" && err != nil:
				t.Errorf("got %v, want nil", err)
			case tt.advice != "" && (class(err) != "destination" || !strings.Contains(hint(err), tt.advice)):
				t.Errorf("got %v of class %q with hint %q, want class destination and a hint with %q", err, class(err), hint(err), tt.advice)
			}
		})
	}
}

func TestWarnsAtEveryStart(t *testing.T) {
	password := setting.NewSecret("hunter2")
	tests := []struct {
		name string
		sasl *kafkaclient.SASL
		tls  *setting.TLS
		want string
	}{
		{"nothing to warn of", nil, nil, ""},
		{"PLAIN in clear text", login("PLAIN", "sluice", password), nil, "sasl.PLAIN without tls"},
		{"a token in clear text", &kafkaclient.SASL{Mechanism: "OAUTHBEARER", Token: password}, nil, "sasl.OAUTHBEARER without tls"},
		{"PLAIN under TLS", login("PLAIN", "sluice", password), &setting.TLS{}, ""},
		{"SCRAM in clear text", login("SCRAM-SHA-512", "sluice", password), nil, ""},
		{"no verification", nil, &setting.TLS{InsecureSkipVerify: true}, "tls.insecure_skip_verify"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := *kafka.Type.Settings().(*kafka.Settings)
			s.Cluster.Brokers, s.Cluster.SASL, s.Cluster.TLS, s.Topic = []string{"localhost"}, tt.sasl, tt.tls, topic
			for range 2 {
				var log bytes.Buffer
				snk, err := kafka.Type.Open(t.Context(), sink.Env{Log: zerolog.New(&log)}, &s)
				if err != nil {
					t.Fatal(err)
				}
				if err := snk.Close(); err != nil {
					t.Fatal(err)
				}
				got := log.String()
				if tt.want == "" && got != "" || !strings.Contains(got, tt.want) || strings.Contains(got, "hunter2") {
					t.Errorf("got log %q, want %q in it", got, tt.want)
				}
			}
		})
	}
}
