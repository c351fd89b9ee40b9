package planetscale

import (
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source/cursorlog"
)

// Budgets holds the budget of each credential.
type Budgets struct {
	mu   sync.Mutex
	list []*credential
}

// credential is what the API presumably counts requests by.
type credential struct {
	host           string
	serviceTokenID string
	serviceToken   setting.Secret
	accessToken    setting.Secret

	budget  cursorlog.Budget
	sources int
}

func (c *credential) equal(other *credential) bool {
	return c.host == other.host && c.serviceTokenID == other.serviceTokenID &&
		c.serviceToken.Equal(other.serviceToken) && c.accessToken.Equal(other.accessToken)
}

// of returns the budget of a source's credential. leave ends the source's use of it; the
// last one removes the budget.
func (b *Budgets) of(s *Settings, u *url.URL) (shared *cursorlog.Budget, leave func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := &credential{
		host: hostOf(u), serviceTokenID: s.ServiceTokenID, serviceToken: s.ServiceToken, accessToken: s.AccessToken,
	}
	if i := slices.IndexFunc(b.list, c.equal); i >= 0 {
		c = b.list[i]
	} else {
		b.list = append(b.list, c)
	}
	c.sources++
	return &c.budget, sync.OnceFunc(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if c.sources--; c.sources == 0 {
			b.list = slices.DeleteFunc(b.list, func(other *credential) bool { return other == c })
		}
	})
}

// hostOf returns the same host and port for every way to write an address.
func hostOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return strings.ToLower(u.Hostname()) + ":" + port
}
