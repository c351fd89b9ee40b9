package elasticsearch_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/elasticsearch"
	"github.com/sluice-siem/sluice/pkg/sink/elasticsearch/estest"
)

func TestSettings(t *testing.T) {
	none := setting.Secret{}
	tests := []struct {
		name   string
		change func(*elasticsearch.Settings)
		want   []string // keys with problems
	}{
		{"good", func(*elasticsearch.Settings) {}, nil},
		{"several nodes", func(s *elasticsearch.Settings) { s.URL = elasticsearch.URLs{"https://a:9200", "https://b:9200/es"} }, nil},
		{"plain http to this machine, without a credential", func(s *elasticsearch.Settings) {
			s.URL, s.APIKey = elasticsearch.URLs{"http://127.0.0.1:9200"}, none
		}, nil},
		{"a user", func(s *elasticsearch.Settings) {
			s.APIKey, s.Username, s.Password = none, "sluice", setting.NewSecret("pass word: ")
		}, nil},
		{"a token", func(s *elasticsearch.Settings) { s.APIKey, s.Token = none, setting.NewSecret("token") }, nil},
		{"an index", func(s *elasticsearch.Settings) { s.Index = "audit" }, nil},
		{"the least", func(s *elasticsearch.Settings) { s.MaxRequestBytes, s.MaxRequestEvents = 64<<10, 1 }, nil},

		{"no URL", func(s *elasticsearch.Settings) { s.URL = nil }, []string{"url"}},
		{"an empty URL", func(s *elasticsearch.Settings) { s.URL = elasticsearch.URLs{""} }, []string{"url"}},
		{"no scheme", func(s *elasticsearch.Settings) { s.URL = elasticsearch.URLs{"es:9200"} }, []string{"url"}},
		{"a comma too many", func(s *elasticsearch.Settings) { s.URL = elasticsearch.URLs{"https://a:9200", ""} }, []string{"url"}},
		{"plain http elsewhere", func(s *elasticsearch.Settings) { s.URL = elasticsearch.URLs{"https://a:9200", "http://b:9200"} }, []string{"url"}},
		{"a credential in the URL", func(s *elasticsearch.Settings) { s.URL = elasticsearch.URLs{"https://elastic:secret@es:9200"} }, []string{"url"}},
		{"a query", func(s *elasticsearch.Settings) { s.URL = elasticsearch.URLs{"https://es:9200/?key=secret"} }, []string{"url"}},
		{"two credentials", func(s *elasticsearch.Settings) { s.Token = setting.NewSecret("secret") }, []string{"token"}},
		{"a password without a user", func(s *elasticsearch.Settings) { s.APIKey, s.Password = none, setting.NewSecret("secret") }, []string{"username"}},
		{"a user without a password", func(s *elasticsearch.Settings) { s.Username = "sluice" }, []string{"password"}},
		{"a key with its scheme", func(s *elasticsearch.Settings) { s.APIKey = setting.NewSecret("ApiKey secret") }, []string{"api_key"}},
		{"a key in parts", func(s *elasticsearch.Settings) { s.APIKey = setting.NewSecret("id:secret") }, []string{"api_key"}},
		{"an index besides a data stream", func(s *elasticsearch.Settings) { s.Index, s.DataStream = "audit", "logs-audit-default" }, []string{"index"}},
		{"no data stream", func(s *elasticsearch.Settings) { s.DataStream = "" }, []string{"data_stream"}},
		{"capitals", func(s *elasticsearch.Settings) { s.DataStream = "logs-Audit-default" }, []string{"data_stream"}},
		{"a wildcard", func(s *elasticsearch.Settings) { s.Index = "audit-*" }, []string{"index"}},
		{"another mark", func(s *elasticsearch.Settings) { s.DataStream = "logs-{source}-default" }, []string{"data_stream"}},
		{"a name that begins with a dash", func(s *elasticsearch.Settings) { s.DataStream = "-audit" }, []string{"data_stream"}},
		{"a long name", func(s *elasticsearch.Settings) { s.DataStream = strings.Repeat("x", 256) }, []string{"data_stream"}},
		{"a fingerprint and a file", func(s *elasticsearch.Settings) {
			s.CAFingerprint, s.TLS.CAFile = setting.Fingerprint(strings.Repeat("ab", 32)), "ca.pem"
		}, []string{"ca_fingerprint"}},
		{"a fingerprint that is not compared", func(s *elasticsearch.Settings) {
			s.CAFingerprint, s.TLS.InsecureSkipVerify = setting.Fingerprint(strings.Repeat("ab", 32)), true
		}, []string{"ca_fingerprint"}},
		{"everything else", func(s *elasticsearch.Settings) {
			s.DocumentID, s.Flavor, s.Compression, s.MaxRequestBytes, s.MaxRequestEvents = "hash", "solr", "zstd", 1<<40, 0
		}, []string{"document_id", "flavor", "compression", "max_request_bytes", "max_request_events"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := defaults("https://es.example.com:9200")
			test.change(&s)
			var got []string
			for _, err := range s.Validate() {
				key, ok := errors.AsType[*setting.KeyError](err)
				if !ok {
					t.Fatalf("no key: %v", err)
				}
				if strings.Contains(err.Error(), "secret") {
					t.Errorf("the error shows what may be a credential: %v", err)
				}
				got = append(got, key.Key)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("keys with problems (-want +got):\n%s", diff)
			}
			if strings.Contains(s.Destination(), "secret") {
				t.Errorf("the destination shows what may be a credential: %s", s.Destination())
			}
		})
	}
}

// A path of an address may be a credential, as in front of some clusters.
func TestAPathIsNotShown(t *testing.T) {
	s := defaults("https://a.example.com:9200/secret-path", "https://b.example.com/secret-path/es")
	if got, want := s.Destination(), "https://a.example.com:9200, https://b.example.com, data stream logs-{dataset}-default"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	bubble(t, estest.Config{}, func(t *testing.T, r *rig) {
		r.settings.URL = elasticsearch.URLs{"http://" + hosts[0] + "/team/secret-of-the-proxy"}
		errs := map[string]error{}
		r.setDown(hosts[0], true)
		errs["no connection"] = r.publish(t, batch(1))
		if got := failure.Hint(errs["no connection"]); !strings.Contains(got, "http://"+hosts[0]) {
			t.Errorf("hint %q, want the address", got)
		}
		r.setDown(hosts[0], false)
		for _, said := range []string{"no handler found for uri [/team/secret-of-the-proxy/_bulk]", "unknown team secret-of-the-proxy"} {
			r.Change(func(c *estest.Config) {
				c.Script = func(estest.Request) estest.Fault {
					return estest.Fault{Answer: &estest.Answer{Status: 405, Type: "x", Reason: said}}
				}
			})
			errs[said] = r.publish(t, batch(1))
		}
		for name, err := range errs {
			if err == nil || strings.Contains(err.Error()+failure.Hint(err), "secret") {
				t.Errorf("%s: got %v, hint %q", name, err, failure.Hint(err))
			}
		}
	})
}

func TestAddressesAreReadFromOneText(t *testing.T) {
	var got elasticsearch.URLs
	if err := got.UnmarshalText([]byte(" https://a:9200/ ,https://b:9200")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(elasticsearch.URLs{"https://a:9200", "https://b:9200"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestSettingsWantJSON(t *testing.T) {
	if _, ok := elasticsearch.Type.Settings().(sink.NeedsJSON); !ok {
		t.Error("the settings do not say so")
	}
}
