package kafkaclient_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
	"github.com/sluice-siem/sluice/pkg/setting"
)

func messages(errs []error) []string {
	var all []string
	for _, err := range errs {
		all = append(all, err.Error())
	}
	return all
}

func TestSettingsValidate(t *testing.T) {
	tests := []struct {
		name    string
		brokers []string
		want    []string
	}{
		{"addresses, with and without a port", []string{"kafka:9092", "10.0.0.1:9093", "kafka", "[::1]:9092"}, nil},
		{"none", nil, []string{`brokers: missing; name at least one broker, such as "kafka:9092"`}},
		{"what is no address", []string{"kafka:9092", "kafka:http", ":9092", "kafka:0", "a:b:c", ""}, []string{
			`brokers[1]: "kafka:http" is not host:port, such as kafka:9092`,
			`brokers[2]: ":9092" is not host:port, such as kafka:9092`,
			`brokers[3]: "kafka:0" is not host:port, such as kafka:9092`,
			`brokers[4]: "a:b:c" is not host:port: address a:b:c: too many colons in address`,
			`brokers[5]: "" is not host:port, such as kafka:9092`,
		}},
	}
	const more = "has more than host:port; write it like kafka:9092, and credentials under sasl"
	tests = append(tests, struct {
		name    string
		brokers []string
		want    []string
	}{"credentials, which are not quoted", []string{"user:secret@kafka:9092", "user@kafka:9092", "kafka://user:secret@kafka:9092", "secret@kafka"},
		[]string{"brokers[0]: " + more, "brokers[1]: " + more, "brokers[2]: " + more, "brokers[3]: " + more}})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := kafkaclient.Settings{Brokers: tt.brokers}
			if diff := cmp.Diff(tt.want, messages(s.Validate())); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSASLValidate(t *testing.T) {
	secret := setting.NewSecret("s")
	tests := []struct {
		name string
		sasl *kafkaclient.SASL
		want []string
	}{
		{"none", nil, nil},
		{"PLAIN", &kafkaclient.SASL{Mechanism: "PLAIN", Username: "u", Password: secret}, nil},
		{"OAUTHBEARER", &kafkaclient.SASL{Mechanism: "OAUTHBEARER", Token: secret}, nil},
		{"a password and no name", &kafkaclient.SASL{Mechanism: "SCRAM-SHA-256", Password: secret}, []string{"username: missing; SCRAM-SHA-256 needs it"}},
		{"nothing but SCRAM", &kafkaclient.SASL{Mechanism: "SCRAM-SHA-512"}, []string{
			"username: missing; SCRAM-SHA-512 needs it", "password: missing; SCRAM-SHA-512 needs it",
		}},
		{"no token", &kafkaclient.SASL{Mechanism: "OAUTHBEARER", Password: secret}, []string{"token: missing; OAUTHBEARER needs it"}},
		{"an unknown mechanism", &kafkaclient.SASL{Mechanism: "GSSAPI"}, []string{
			`mechanism: "GSSAPI" is none of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER`,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, messages(tt.sasl.Validate())); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPrincipal(t *testing.T) {
	tests := []struct {
		name string
		s    kafkaclient.Settings
		want string
	}{
		{"nobody", kafkaclient.Settings{}, "User:ANONYMOUS"},
		{"nobody, under TLS", kafkaclient.Settings{TLS: &setting.TLS{}}, "User:ANONYMOUS"},
		{"a user name", kafkaclient.Settings{SASL: &kafkaclient.SASL{Username: "sluice"}}, "User:sluice"},
		{"a certificate", kafkaclient.Settings{TLS: &setting.TLS{CertFile: "c"}}, "User:NAME"},
		{"a token", kafkaclient.Settings{SASL: &kafkaclient.SASL{}}, "User:NAME"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.s.Principal(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// A broker's message may quote the credentials of a client that it refuses.
func TestExplainQuotesNoCredentials(t *testing.T) {
	cause := fmt.Errorf("%w: %s", kerr.SaslAuthenticationFailed, `no user u with canary-secret\/42`)
	s := kafkaclient.Settings{SASL: &kafkaclient.SASL{Mechanism: "PLAIN", Username: "u", Password: setting.NewSecret("canary-secret/42")}}
	err := s.Explain(cause, "audit")
	if !errors.Is(err, kerr.SaslAuthenticationFailed) || strings.Contains(err.Error(), "canary") {
		t.Errorf("got %v, want the error without the password", err)
	}
}
