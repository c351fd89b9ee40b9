package planetscale

import (
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/sluice-siem/sluice/pkg/setting"
)

// Budgets holds the budget of each credential.
type Budgets struct {
	mu   sync.Mutex
	list []*credential
}

// credential is what the API counts requests by, as far as anybody knows.
type credential struct {
	host           string
	serviceTokenID string
	serviceToken   setting.Secret
	accessToken    setting.Secret

	budget  budget
	sources int
}

func (c *credential) equal(other *credential) bool {
	return c.host == other.host && c.serviceTokenID == other.serviceTokenID &&
		c.serviceToken.Equal(other.serviceToken) && c.accessToken.Equal(other.accessToken)
}

// join returns the budget of the credential of a source. The function returned
// takes the source and its rate away.
func (b *Budgets) join(s *Settings, u *url.URL) (shared *budget, leave func()) {
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
	slower := c.budget.join(s.RequestsPerMinute)
	return &c.budget, sync.OnceFunc(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		slower()
		if c.sources--; c.sources == 0 {
			b.list = slices.DeleteFunc(b.list, func(other *credential) bool { return other == c })
		}
	})
}

// hostOf names the server behind an address, however the address is written.
func hostOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return strings.ToLower(u.Hostname()) + ":" + port
}
