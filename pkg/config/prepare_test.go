package config_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/transform/enrich"
	"github.com/sluice-siem/sluice/pkg/transform/prepare"
	"github.com/sluice-siem/sluice/pkg/transform/redact"
)

const prepared = `
sources:
- {name: acme, type: planetscale, settings: {organization: acme, service_token: t}}
sinks:
- {name: plain, type: stdout}
- name: prepared
  type: stdout
  where: >
    severity >= 3
    or action matches "^user\\."
  enrich: {city: /geo/city.mmdb, asn: "${DIR}/asn.mmdb"}
  redact:
    key: ${KEY}
    fields:
    - {field: actor.name, how: hash}
    - {field: metadata.user.email, how: remove}
`

func TestWhatHappensBeforeEncoding(t *testing.T) {
	const key = "0123456789abcdef0123456789abcdef"
	c, err := config.Parse("sluice.yaml", []byte(prepared), kinds, env(map[string]string{"DIR": "/asn", "KEY": key}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(prepare.Settings{}, c.Sinks[0].Prepare); diff != "" {
		t.Errorf("want nothing by default (-), got (+):\n%s", diff)
	}
	want := prepare.Settings{
		Enrich: enrich.Settings{City: "/geo/city.mmdb", ASN: "/asn/asn.mmdb"},
		Redact: redact.Settings{Key: setting.NewSecret(key), Fields: []redact.Field{
			{Name: "actor.name", How: "hash"}, {Name: "metadata.user.email", How: "remove"},
		}},
	}
	if err := want.Where.UnmarshalText([]byte(`severity >= 3 or action matches "^user\\."`)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, c.Sinks[1].Prepare); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}
