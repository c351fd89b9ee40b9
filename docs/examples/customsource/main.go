// Command sluice-vault is Sluice with one more source: the audit log of Acme Vault.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/sluice-siem/sluice/pkg/app"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/cursorlog"
)

func main() { app.Main(app.WithSource(Type())) }

//go:embed catalogue.json
var catalogue []byte

func Type() source.Type {
	t := source.NewType("acme_vault", Settings{Settings: cursorlog.Defaults}, open)
	t.Catalogue, t.Parse = catalogue, parse
	t.Product = source.Product{
		Vendor: "Acme", Name: "Acme Vault", Feature: "Audit Log", Version: "2", Dataset: "acme_vault.audit", Objects: [2]string{"subject"},
		Keys: source.Keys{
			ID: "uid", Time: "at", Action: "event", RemoteIP: "ip", Actor: source.Party{ID: "who.id", Name: "who.email"},
			Objects: [2]source.Party{{ID: "subject.id", Type: "subject.kind", Name: "subject.name"}},
		},
	}
	return t
}

type Settings struct {
	URL                string         `yaml:"url" required:"true" doc:"Scheme and host of the API."`
	Organization       string         `yaml:"organization" required:"true" doc:"Name of the organization."`
	Token              setting.Secret `yaml:"token" required:"true" doc:"Token of the API."` // or token_file, which is read again for each request
	cursorlog.Settings `yaml:",inline"`
}

func (s *Settings) OrganizationName() string { return s.Organization }

func (s *Settings) Validate() (errs []error) {
	if u, err := url.Parse(s.URL); err != nil || u.Host == "" || u.Scheme != "https" && u.Hostname() != "127.0.0.1" {
		errs = append(errs, setting.Invalid("url", errors.New("is not https and a host")))
	}
	if s.Organization == "" || !s.Token.IsSet() {
		errs = append(errs, setting.Invalid("organization", errors.New("or token is missing")))
	}
	return errs
}

func open(_ context.Context, env source.OpenEnv, s Settings) (source.Source, error) {
	return cursorlog.New(cursorlog.Options{
		Settings: s.Settings, Name: "acme_vault", Host: s.URL, Organization: s.Organization, Client: client{s}, Log: env.Log,
	})
}

type client struct{ Settings }

// Without pings, HTTP/2 keeps using a connection whose other side is gone.
var transport = &http.Transport{
	Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true,
	HTTP2: &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 10 * time.Second},
}

func (c client) List(ctx context.Context, cursor string, limit int) (cursorlog.Answer, error) {
	token, err := c.Token.Token()
	query := url.Values{"limit": {strconv.Itoa(limit)}, "before": {cursor}, "org": {c.Organization}}
	r, invalid := http.NewRequestWithContext(ctx, "GET", c.URL+"/v2/audit?"+query.Encode(), nil)
	if err = errors.Join(err, invalid); err != nil {
		return cursorlog.Answer{}, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := transport.RoundTrip(r) // not a Client, which would follow a redirect with the token
	if err != nil {
		return cursorlog.Answer{}, err
	}
	defer resp.Body.Close()
	answer, err := cursorlog.ReadAnswer(resp, 16<<20)
	if resp.StatusCode != http.StatusOK {
		err = cursorlog.Refusal(resp, cursor, "", "see that url, organization and token are right")
	}
	return answer, err
}

func (client) Decode(body []byte, events []source.Event) (cursorlog.Page, error) {
	var p struct {
		Entries []json.RawMessage
		Next    string // the cursor; empty at the end of the log
	}
	if err := json.Unmarshal(body, &p); err != nil || p.Entries == nil {
		return cursorlog.Page{}, errors.Join(err, errors.New("entries are missing"))
	}
	for _, raw := range p.Entries {
		events = append(events, decode(raw))
	}
	return cursorlog.Page{Events: events, HasNext: p.Next != "", Cursor: p.Next}, nil
}

func decode(raw []byte) source.Event {
	var e struct {
		UID, Event, IP string
		At             time.Time
		Who            struct{ ID, Email string }
		Subject        struct{ ID, Kind, Name string }
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		return source.Event{Raw: raw, Problem: err.Error()}
	}
	return source.Event{
		ID: e.UID, Time: e.At, Action: e.Event, RemoteIP: e.IP, Raw: raw, Actor: source.Party{ID: e.Who.ID, Name: e.Who.Email},
		Objects: [2]source.Party{{ID: e.Subject.ID, Type: e.Subject.Kind, Name: e.Subject.Name}},
	}
}

// parse reads an answer or a single event that did not come over the network.
func parse(data []byte, organization string) ([]source.Event, error) {
	p, err := client{}.Decode(data, nil)
	if err != nil {
		p.Events = []source.Event{decode(data)}
	}
	cursorlog.Complete(p.Events, organization, time.Now())
	return p.Events, nil
}
