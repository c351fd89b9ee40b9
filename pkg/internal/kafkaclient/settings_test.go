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
		{"none", nil, []string{"brokers: missing; name at least one broker, such as kafka:9092"}},
		{"what is no address", []string{"kafka:9092", "kafka:http", ":9092", "kafka:0", "a:b:c", ""}, []string{
			"brokers[1]: has no port from 1 to 65535 behind its last colon; write host:port, such as kafka:9092",
			"brokers[2]: has no host; write host:port, such as kafka:9092",
			"brokers[3]: has no port; write host:port, such as kafka:9092",
			"brokers[4]: is an IPv6 address without its brackets, as in [::1], or has a colon too many; write host:port, such as kafka:9092",
			"brokers[5]: has no host; write host:port, such as kafka:9092",
		}},
		{"what is no single address", []string{"kafka://kafka:9092", "a:1,b:2", "::1:9092"}, []string{
			"brokers[0]: begins with a scheme; write host:port, such as kafka:9092, and tls: {} if the broker speaks TLS",
			"brokers[1]: names more than one broker; write each as an item of the list",
			"brokers[2]: is an IPv6 address without its brackets, as in [::1], or has a colon too many; write host:port, such as kafka:9092",
		}},
	}
	const more = "has a credential in it; write host:port, such as kafka:9092, and the credential under sasl"
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
		{"a password and no name", &kafkaclient.SASL{Mechanism: "SCRAM-SHA-256", Password: secret}, []string{"username: missing; write one, since SCRAM-SHA-256 needs it"}},
		{"nothing but SCRAM", &kafkaclient.SASL{Mechanism: "SCRAM-SHA-512"}, []string{
			"username: missing; write one, since SCRAM-SHA-512 needs it", "password: missing; write one, since SCRAM-SHA-512 needs it",
		}},
		{"no token", &kafkaclient.SASL{Mechanism: "OAUTHBEARER", Password: secret}, []string{"token: missing; write one, since OAUTHBEARER needs it", "password: not used by OAUTHBEARER; remove it"}},
		{"a token for PLAIN", &kafkaclient.SASL{Mechanism: "PLAIN", Username: "u", Password: secret, Token: secret}, []string{"token: not used by PLAIN; remove it"}},
		{"a token that is none", &kafkaclient.SASL{Mechanism: "OAUTHBEARER", Token: setting.NewSecret("a b")}, []string{"token: has a blank in it; write the token alone, without Bearer or the like before it"}},
		{"no mechanism", &kafkaclient.SASL{}, []string{"mechanism: missing; write PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"}},
		{"an unknown mechanism", &kafkaclient.SASL{Mechanism: "GSSAPI"}, []string{
			`mechanism: "GSSAPI" is unknown; write PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER`,
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
