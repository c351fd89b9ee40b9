package redact_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/transform/internal/corpus"
	"github.com/sluice-siem/sluice/pkg/transform/redact"
)

func TestSettings(t *testing.T) {
	field := func(name, how string) redact.Field { return redact.Field{Name: name, How: how} }
	const known = "known: actor.id, actor.name, auditable.id, auditable.name, target.id, target.name, remote_ip, location, metadata, and metadata.NAME for a member of it"
	for _, tt := range []struct {
		words string
		key   string
		given []redact.Field
		want  []string
	}{
		{"nothing", "", nil, nil},
		{"without a key", "", []redact.Field{field("actor.name", "mask"), field("metadata", "remove")}, nil},
		{"with a key", key, []redact.Field{field("metadata.user.email", "hash"), field("metadata.user.id", "hash")}, nil},
		{"a field nobody knows", "", []redact.Field{field("actor.nme", "mask")}, []string{`fields[0].field: is an unknown field; ` + known}},
		{"what says which event it is", "", []redact.Field{field("id", "mask"), field("action", "mask")},
			[]string{`fields[0].field: is an unknown field; ` + known, `fields[1].field: is an unknown field; ` + known}},
		{"a member without a name", "", []redact.Field{field("metadata..x", "mask")}, []string{`fields[0].field: is an unknown field; ` + known}},
		{"an unknown way", "", []redact.Field{field("location", "encrypt"), field("remote_ip", "")},
			[]string{`fields[0].how: is unknown; write hash, mask or remove`, `fields[1].how: missing; write hash, mask or remove`}},
		{"a field twice", "", []redact.Field{field("location", "mask"), field("location", "remove")},
			[]string{`fields[1].field: is also covered by fields[0]; keep one of them`}},
		{"a field and a part of it", "", []redact.Field{field("metadata.a.b", "mask"), field("metadata.ab", "mask"), field("metadata.a", "remove")},
			[]string{`fields[2].field: is also covered by fields[0]; keep one of them`}},
		{"no key", "", []redact.Field{field("location", "hash")}, []string{"key: missing; hash needs one, as from openssl rand -hex 32"}},
		{"a key for nothing", key, []redact.Field{field("location", "mask")}, []string{"key: no field is hashed with it; write how: hash for a field, or remove the key"}},
		{"a short key", key[:31], []redact.Field{field("location", "hash")}, []string{"key: has 31 bytes; write at least 32, as from openssl rand -hex 32"}},
	} {
		t.Run(tt.words, func(t *testing.T) {
			s := redact.Settings{Fields: tt.given}
			if tt.key != "" {
				s.Key = setting.NewSecret(tt.key)
			}
			var got []string
			for _, err := range slices.Concat(s.Validate(), s.Unknown(&corpus.Product)) {
				if err != nil {
					got = append(got, err.Error())
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("want (-), got (+):\n%s", diff)
			}
		})
	}
}
