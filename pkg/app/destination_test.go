package app

import (
	"reflect"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/setting"
)

// TestDestinationsShowNoSecret puts a secret into every text of the settings of each sink,
// but those that the destination consists of.
func TestDestinationsShowNoSecret(t *testing.T) {
	const secret = "TopSecret7"
	shown := map[string]struct {
		texts map[string]string // by the name of the field
		want  string
	}{
		"elasticsearch": {map[string]string{"URL": "https://u:TopSecret7@siem:9200", "Index": "audit"}, "https://siem:9200, index audit"},
		"kafka":         {map[string]string{"Brokers": "u:TopSecret7@kafka:9092", "Topic": "audit"}, "kafka:9092, topic audit"},
		"s3":            {map[string]string{"Bucket": "audit", "Prefix": "planetscale", "Endpoint": "https://u:TopSecret7@minio:9000/TopSecret7"}, "s3://audit/planetscale at https://minio:9000"},
		"gcs":           {map[string]string{"Bucket": "audit", "Prefix": "planetscale", "Endpoint": "https://u:TopSecret7@proxy/TopSecret7"}, "gs://audit/planetscale at https://proxy"},
		"azure_blob":    {map[string]string{"Account": "acme", "Container": "audit", "Prefix": "planetscale", "Endpoint": "https://u:TopSecret7@proxy/TopSecret7"}, "azure://acme/audit/planetscale at https://proxy"},
		"splunk_hec":    {map[string]string{"URL": "https://u:TopSecret7@siem:8088/api/TopSecret7/services/collector?t=TopSecret7#TopSecret7", "Index": "audit"}, "https://siem:8088/…/services/collector, index audit"},
		"syslog":        {map[string]string{"Scheme": "tls", "Host": "siem:6514"}, "tls://siem:6514"},
		"file":          {map[string]string{"Path": "/var/log/audit.ndjson"}, "/var/log/audit.ndjson"},
		"stdout":        {nil, "standard output"},
		"http":          {map[string]string{"URL": "https://u:TopSecret7@siem:8443/TopSecret7?t=TopSecret7#TopSecret7"}, "https://siem:8443"},
		"datadog":       {map[string]string{"Site": "datadoghq.eu", "URL": "https://proxy:8282/api/v2/logs?t=TopSecret7"}, "https://proxy:8282"},
		"sumo":          {nil, "url"},
		"panther":       {map[string]string{"URL": "https://logs.example.com/http/TopSecret7?t=TopSecret7"}, "https://logs.example.com"},
		"slack":         {nil, "url"},
		"teams":         {nil, "url"},
		"pagerduty":     {map[string]string{"Region": "us", "URL": "https://proxy/v2/enqueue?t=TopSecret7"}, "https://proxy"},
	}
	for _, kind := range kinds().Sinks {
		t.Run(kind.Name, func(t *testing.T) {
			s := kind.Settings()
			fill(reflect.ValueOf(s).Elem(), "", secret, shown[kind.Name].texts)
			d, ok := s.(setting.Destination)
			if !ok {
				t.Fatal("its settings do not tell where it delivers to")
			}
			if got, want := d.Destination(), shown[kind.Name].want; got != want || strings.Contains(got, secret) {
				t.Errorf("destination %q, want %q", got, want)
			}
		})
	}
}

// fill sets every text in v, and in what it points to.
func fill(v reflect.Value, name, secret string, but map[string]string) {
	if text, ok := but[name]; ok {
		secret = text
	}
	switch {
	case !v.CanSet():
	case v.Type() == reflect.TypeFor[setting.Secret]():
		v.Set(reflect.ValueOf(setting.NewSecret(secret)))
	case v.Kind() == reflect.String:
		v.SetString(secret)
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), name, secret, but)
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), name, secret, but)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), v.Type().Field(i).Name, secret, but)
		}
	}
}
