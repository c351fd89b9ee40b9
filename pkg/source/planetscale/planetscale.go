// Package planetscale reads the audit log of a PlanetScale organization.
//
// The API lists the newest event first, in pages, and has no filter by time. Package
// cursorlog follows such a log. This package knows the API: it requests a page (client),
// decodes it (decode), and shortens an event that is too large for memory (oversized,
// stream). The parameter ending_before is not used: what it returns is not documented.
//
// All lanes of a source share its requests. Sources that share a credential share its
// request budget, at the slowest of their rates.
package planetscale

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/internal/httpclient"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/cursorlog"
)

// Type returns the source type planetscale. Sources opened from one Type share
// the budget of their credential, and connections.
func Type() source.Type {
	shared, over := &Budgets{}, &transports{}
	t := source.NewType("planetscale", Defaults, func(_ context.Context, env source.OpenEnv, s Settings) (source.Source, error) {
		return New(s, Options{Log: env.Log, Transport: over.of(s.TLS), Budgets: shared, Beside: env.Beside})
	})
	t.Product, t.Catalogue, t.Parse = product, catalogue, Parse
	return t
}

// Options are what a Source needs in addition to its settings.
type Options struct {
	Log       zerolog.Logger
	Transport http.RoundTripper // default: built from the settings, with the proxies of the environment
	Budgets   *Budgets          // default: one of its own
	Now       func() time.Time  // the machine's clock; default time.Now

	// Beside is source.OpenEnv.Beside. Default: no other process goes first.
	Beside func(context.Context) (source.Usage, bool)
}

// Source is the audit log of one organization.
type Source struct {
	*cursorlog.Source
	client *client
	leave  func() // releases the budget of the credential
}

// New returns a source. It sends no request.
func New(settings Settings, o Options) (*Source, error) {
	if err := errors.Join(settings.Validate()...); err != nil {
		return nil, fmt.Errorf("planetscale: %w", err)
	}
	u, err := url.Parse(settings.URL)
	if err != nil {
		return nil, fmt.Errorf("planetscale: url: %w", err)
	}
	if o.Transport == nil {
		o.Transport = settings.TLS.Transport(newTransport())
	}
	if o.Budgets == nil {
		o.Budgets = &Budgets{}
	}
	for key, token := range map[string]setting.Secret{"service_token": settings.ServiceToken, "access_token": settings.AccessToken} {
		if token.Short() && !httpclient.Loopback(settings.URL) {
			o.Log.Warn().Msg(setting.ShortWarning(key))
		}
	}
	s := &Source{client: newClient(&settings, u, o.Transport, o.Log)}
	budget, leave := o.Budgets.of(&settings, u)
	s.leave = leave
	s.Source, err = cursorlog.New(cursorlog.Options{
		Settings: settings.Settings, Name: "planetscale", Host: u.Host, Organization: settings.Organization,
		Client: s.client, Keys: product.Keys, PageLimit: pageLimit, Log: o.Log, Budget: budget, Now: o.Now, Beside: o.Beside,
	})
	if err != nil {
		leave()
		return nil, err
	}
	if settings.TLS != nil && settings.TLS.InsecureSkipVerify {
		o.Log.Warn().Str("organization", settings.Organization).Msg("insecure_skip_verify: the API's certificate is not verified; any server that answers receives the token")
	}
	return s, nil
}

// Close ends requests in flight and waits for them.
func (s *Source) Close() error {
	err := s.Source.Close()
	s.leave()
	s.client.http.CloseIdleConnections()
	return err
}
