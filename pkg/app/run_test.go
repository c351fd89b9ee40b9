package app

import (
	"slices"
	"testing"

	"github.com/sluice-siem/sluice/pkg/config"
)

func TestAdminHosts(t *testing.T) {
	for _, c := range []struct {
		admin config.Admin
		want  []string
	}{
		{config.Admin{Listen: "siem.example.com:9876"}, []string{"siem.example.com"}},
		{config.Admin{Listen: "0.0.0.0:9876", Hosts: []string{"sluice"}}, []string{"0.0.0.0", "sluice"}},
		{config.Admin{Listen: ":9876"}, []string{""}},
	} {
		if got := adminHosts(c.admin); !slices.Equal(got, c.want) {
			t.Errorf("%+v: got %q, want %q", c.admin, got, c.want)
		}
	}
}
