package splunkhec_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/splunkhec"
)

func TestSettings(t *testing.T) {
	tests := []struct {
		name   string
		change func(*splunkhec.Settings)
		want   []string // keys with problems
	}{
		{"good", func(*splunkhec.Settings) {}, nil},
		{"a slash at the end", func(s *splunkhec.Settings) { s.URL += "/" }, nil},
		{"plain http to this machine", func(s *splunkhec.Settings) { s.URL = "http://127.0.0.1:8088" }, nil},
		{"plain http to this machine by name", func(s *splunkhec.Settings) { s.URL = "http://localhost:8088" }, nil},
		{"plain http elsewhere, allowed", func(s *splunkhec.Settings) { s.URL, s.AllowHTTP = "http://splunk:8088", true }, nil},
		{"a scheme in capitals", func(s *splunkhec.Settings) { s.URL = "HTTPS://splunk:8088" }, nil},
		{"the zone of an address", func(s *splunkhec.Settings) { s.URL = "https://[fe80::1%25eth0]:8088/services/collector" }, nil},
		{"the least", func(s *splunkhec.Settings) {
			s.AckTimeout, s.MaxRequestBytes, s.MaxRequestEvents = setting.Duration(180e9), 64<<10, 1
		}, nil},

		{"plain http elsewhere", func(s *splunkhec.Settings) { s.URL = "http://splunk:8088" }, []string{"url"}},
		{"no URL", func(s *splunkhec.Settings) { s.URL = "" }, []string{"url"}},
		{"no scheme", func(s *splunkhec.Settings) { s.URL = "splunk:8088" }, []string{"url"}},
		{"a path", func(s *splunkhec.Settings) { s.URL += "/services/collector" }, nil},
		{"a path of CrowdStrike", func(s *splunkhec.Settings) {
			s.URL, s.AuthScheme = "https://ingest.us-1.crowdstrike.com/api/ingest/hec/abcd/v1/services/collector", "Bearer"
		}, nil},
		{"the raw endpoint", func(s *splunkhec.Settings) { s.URL += "/services/collector/raw" }, []string{"url"}},
		{"the raw endpoint of a version", func(s *splunkhec.Settings) { s.URL += "/services/collector/raw/1.0" }, []string{"url"}},
		{"the health check", func(s *splunkhec.Settings) { s.URL += "/services/collector/health" }, []string{"url"}},
		{"a query", func(s *splunkhec.Settings) { s.URL += "/services/collector?token=secret" }, []string{"url"}},
		{"plain http elsewhere, with a path", func(s *splunkhec.Settings) { s.URL = "http://splunk:8088/services/collector" }, []string{"url"}},
		{"another scheme of authorization", func(s *splunkhec.Settings) { s.AuthScheme = "Basic" }, []string{"auth_scheme"}},
		{"a credential", func(s *splunkhec.Settings) { s.URL = "https://x:secret@splunk:8088" }, []string{"url"}},
		{"no token", func(s *splunkhec.Settings) { s.Token = setting.Secret{} }, []string{"token"}},
		{"everything else", func(s *splunkhec.Settings) {
			s.Ack, s.AckTimeout, s.Compression, s.MaxRequestBytes, s.MaxRequestEvents = "maybe", setting.Duration(179e9), "zstd", 1<<40, 0
		}, []string{"ack", "ack_timeout", "compression", "max_request_bytes", "max_request_events"}},
		{"too little", func(s *splunkhec.Settings) { s.MaxRequestBytes = 1000 }, []string{"max_request_bytes"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := defaults("https://splunk.example.com:8088")
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
		})
	}
}

func TestRecordsGoWithoutTheOriginal(t *testing.T) {
	if _, ok := splunkhec.Type.Settings().(sink.WithoutOriginal); !ok {
		t.Error("the settings do not say so")
	}
}
