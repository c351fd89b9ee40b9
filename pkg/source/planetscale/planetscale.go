// Package planetscale reads the audit log of a PlanetScale organization.
//
// The API lists the newest event first, in pages, and takes no time to filter
// by. Following cursors leads into the past, so a saved cursor never shows
// anything new; and an event can become visible after a later one. A reader
// therefore walks: from the top down until everything below is settled, then it
// hands out what it did not know, oldest first. Its position is not a place in
// the list but a time, the floor, with the ids delivered at or above it. Below
// the floor everything is settled; see position, walk and handout, in this
// order, for why nothing is omitted and nothing repeated.
//
// What the API leaves open is survived either way: whether it lists the oldest
// first, whether a cursor outlives its event, what an unknown one gets. The
// parameter ending_before, about which nobody says what it returns, is not used.
//
// All lanes of a source share its requests, and sources with one credential
// share its budget of requests, at the slowest of their rates.
package planetscale

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/source"
)

// Type returns the source type planetscale. Sources opened from one Type share
// the budget of their credential.
func Type() source.Type {
	shared := &Budgets{}
	return source.NewType("planetscale", Defaults, func(_ context.Context, env source.OpenEnv, s Settings) (source.Source, error) {
		return New(s, Options{Log: env.Log, Budgets: shared})
	})
}

// Options are what a Source needs beside its settings.
type Options struct {
	Log       zerolog.Logger
	Transport http.RoundTripper // default: by the settings, with the proxies of the environment
	Budgets   *Budgets          // default: one of its own
	Now       func() time.Time  // the machine's clock; default time.Now
}

// Source is the audit log of one organization.
type Source struct {
	settings Settings
	host     string
	client   *client
	clock    *clock
	shared   *shared
	log      zerolog.Logger
	stop     context.CancelFunc
	leave    func() // the budget
}

// New returns a source. It asks nothing of the network.
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
	if o.Now == nil {
		o.Now = time.Now
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Source{settings: settings, host: u.Host, log: o.Log, stop: stop, clock: newClock(o.Now, o.Log)}
	s.client = &client{
		http: &http.Client{
			Transport:     o.Transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		endpoint: u.Scheme + "://" + u.Host + "/v1/organizations/" + url.PathEscape(settings.Organization) + "/audit-log",
		settings: &s.settings, mostHeld: maxBody, mostBytes: maxOversized,
		clock:   s.clock,
		answers: map[string]uint64{},
	}
	s.client.budget, s.leave = o.Budgets.join(&s.settings, u)
	s.shared = &shared{
		ctx: ctx, list: s.client.list, interval: settings.PollInterval.Std(),
		flights: map[string]*flight{}, polls: map[string]*flight{},
	}
	if settings.TLS != nil && settings.TLS.InsecureSkipVerify {
		o.Log.Warn().Str("organization", settings.Organization).Msg("insecure_skip_verify: the API's certificate is not verified, and the token goes to whoever answers")
	}
	return s, nil
}

// Start resolves where to begin. For "now" it lists what is visible within the
// overlap, so that an event which becomes visible after this moment is
// delivered even though its time is before it.
func (s *Source) Start(ctx context.Context, at source.Start) (source.Position, error) {
	pos := newPosition(s.host, s.settings.Organization)
	switch {
	case at.Now:
		return s.startNow(ctx, pos)
	case !at.Since.IsZero():
		if ahead := time.Until(at.Since); ahead > future {
			return nil, fmt.Errorf("planetscale: start: %s is %s ahead of now", at.Since.Format(time.RFC3339), ahead.Round(time.Second))
		}
		pos.floor = at.Since.UnixMilli()
	}
	return pos.encode()
}

// startNow reads like a lane that starts an overlap ago, and delivers nothing.
func (s *Source) startNow(ctx context.Context, pos *position) (source.Position, error) {
	top, err := s.shared.page(ctx, "", poll)
	if err != nil {
		return nil, err
	}
	// In a log that lists nothing everything comes later.
	if at := s.clock.settled(top.clocks); at != never {
		pos.floor = at - s.settings.Overlap.Std().Milliseconds()
	}
	r := s.open(pos, source.Env{Log: s.log})
	for {
		p, err := r.Next(ctx)
		if err != nil || p.CaughtUp {
			return p.Next, errors.Join(err, r.Close())
		}
	}
}

// Open returns a reader behind pos.
func (s *Source) Open(pos source.Position, env source.Env) (source.Reader, error) {
	p, err := s.parse(pos)
	if err != nil {
		return nil, err
	}
	return s.open(p, env), nil
}

func (s *Source) open(p *position, env source.Env) *reader {
	r := &reader{source: s, log: env.Log, lane: env.Lane, pos: p}
	if p.gap != nil {
		p.gap.saved = true
	}
	if p.newest != never {
		s.clock.saw(p.newest, time.Now())
	}
	r.progress.Overlap = s.settings.Overlap.Std()
	s.client.budget.reading(1)
	return r
}

func (s *Source) parse(pos source.Position) (*position, error) {
	p, err := parsePosition(pos)
	if err != nil {
		return nil, fmt.Errorf("planetscale: %w", err)
	}
	if p.host != s.host || p.organization != s.settings.Organization {
		return nil, foreign{fmt.Errorf("planetscale: the position is of organization %q at %s, the source reads %q at %s",
			p.organization, p.host, s.settings.Organization, s.host)}
	}
	return p, nil
}

// foreign is a position of another log.
type foreign struct{ error }

func (foreign) Hint() string {
	return "give the source another name, or another state directory, or set its lanes anew with sluice checkpoint set"
}

// Describe reads a position for people and metrics.
func (s *Source) Describe(pos source.Position) (source.Description, error) {
	p, err := s.parse(pos)
	if err != nil {
		return source.Description{}, err
	}
	return p.describe(s.settings.Retention.Std()), nil
}

// Check requests the top page.
func (s *Source) Check(ctx context.Context) (string, error) {
	top, err := s.shared.page(ctx, "", poll)
	if err != nil {
		return "", err
	}
	w := newWalk(newPosition(s.host, s.settings.Organization), true, undecided, &s.settings, s.clock)
	if _, err := w.add(top); err != nil {
		return "", fault(source.Malformed, err, "")
	}
	text := fmt.Sprintf("the audit log of %s can be read, order %s", s.settings.Organization, w.order())
	if n := len(top.listed); n == 0 {
		text += ", no events yet"
	} else {
		text += fmt.Sprintf(", first of %d events on the top page", n)
		if first := top.listed[0]; first.dated {
			text += time.UnixMilli(first.at).UTC().Format(" " + time.RFC3339)
		}
	}
	return text, nil
}

// Usage is a snapshot of the client.
func (s *Source) Usage() source.Usage { return s.client.usage() }

// Close ends requests in flight and waits for them.
func (s *Source) Close() error {
	s.stop()
	s.shared.running.Wait()
	s.leave()
	s.client.http.CloseIdleConnections()
	return nil
}

const gapAction = "sluice.gap"

func gapID(lane string, g *gap) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%d\n%d", lane, g.From.UnixMilli(), g.To.UnixMilli()))
	return "gap:" + hex.EncodeToString(sum[:16])
}
