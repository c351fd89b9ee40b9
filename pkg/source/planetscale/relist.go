package planetscale

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/relist"
)

// Relist implements source.Relister. Of the requests that the settings allow it sends half,
// since a Sluice that runs has the same budget.
func (s *Settings) Relist(ctx context.Context, each func(source.Listed) error) error {
	if err := errors.Join(s.Validate()...); err != nil {
		return err
	}
	address, err := url.Parse(s.URL)
	if err != nil {
		return err
	}
	log := relist.Log{
		Endpoint:  address.Scheme + "://" + address.Host + "/v1/organizations/" + url.PathEscape(s.Organization) + "/audit-log",
		Transport: s.TLS.Transport(newTransport()),
		PerMinute: (s.RequestsPerMinute + 1) / 2,
		Authorize: func(r *http.Request) (string, error) {
			if s.AccessToken.IsSet() {
				token, err := s.AccessToken.Token()
				r.Header.Set("Authorization", "Bearer "+token)
				return token, err
			}
			token, err := s.ServiceToken.Token()
			r.Header.Set("Authorization", s.ServiceTokenID+":"+token)
			return token, err
		},
		Explain: func(err error) string { return s.peer().Explain(err).Hint },
	}
	if err := log.List(ctx, each); err != nil {
		return fmt.Errorf("listing the log of %s: %w", s.Organization, err)
	}
	return nil
}

// Lateness implements source.Relister.
func (s *Settings) Lateness() time.Duration { return s.Overlap.Std() }
