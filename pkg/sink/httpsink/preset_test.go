package httpsink_test

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/httpsink"
	"github.com/sluice-siem/sluice/pkg/sink/httpsink/servicetest"
	"github.com/sluice-siem/sluice/pkg/sink/internal/posting"
	"github.com/sluice-siem/sluice/pkg/sink/sinktest"
)

// Secrets of the services.
const (
	apiKey     = "0123456789abcdef0123456789abcdef" // of Datadog, and as long as a routing key
	hookPath   = "/services/T00000000/B00000000/hookSecret7hookSecret7"
	sumoToken  = "sumoSecret7sumoSecret7"
	signature  = "sigSecret7sigSecret7"
	pantherKey = "pantherSecret7pantherSecret7"
)

var secrets = []string{apiKey, hookPath, "hookSecret7", sumoToken, signature, pantherKey}

// aPreset is a preset with the service that it is for.
type aPreset struct {
	name     string
	server   func() *servicetest.Server
	settings func(origin string) any
	format   string // of the records by which the suite tests it
	order    bool   // events arrive in the order of a batch

	refused int // a status for the credential
	strange int // a success that is none
}

var presets = []aPreset{
	{
		name:   "datadog",
		server: func() *servicetest.Server { return servicetest.NewDatadog(apiKey) },
		settings: func(origin string) any {
			s := httpsink.Datadog.Settings().(*httpsink.DatadogSettings)
			s.Site, s.APIKey, s.URL, s.Hostname = "datadoghq.eu", setting.NewSecret(apiKey), origin+"/api/v2/logs", "forwarder"
			return s
		},
		format: "raw", refused: 403, strange: 200,
	},
	{
		name:   "sumo",
		server: func() *servicetest.Server { return servicetest.NewSumo(hookPath, sumoToken, "audit") },
		settings: func(origin string) any {
			s := httpsink.Sumo.Settings().(*httpsink.SumoSettings)
			s.URL, s.Token, s.Category = setting.NewSecret(origin+hookPath), setting.NewSecret(sumoToken), "audit"
			return s
		},
		format: "ecs", refused: 401, strange: 204,
	},
	{
		name:   "panther",
		server: func() *servicetest.Server { return servicetest.NewPanther(hookPath, "X-Api-Key", pantherKey) },
		settings: func(origin string) any {
			s := httpsink.Panther.Settings().(*httpsink.PantherSettings)
			s.URL, s.Header, s.Secret = origin+hookPath, "X-Api-Key", setting.NewSecret(pantherKey)
			return s
		},
		format: "ecs", refused: 403,
	},
	{
		name:   "slack",
		server: func() *servicetest.Server { return servicetest.NewSlack(hookPath) },
		settings: func(origin string) any {
			s := httpsink.Slack.Settings().(*httpsink.SlackSettings)
			s.URL = setting.NewSecret(origin + hookPath)
			return s
		},
		format: "ecs", order: true, refused: 403, strange: 200,
	},
	{
		name:   "teams",
		server: func() *servicetest.Server { return servicetest.NewTeams(hookPath, signature) },
		settings: func(origin string) any {
			s := httpsink.Teams.Settings().(*httpsink.TeamsSettings)
			s.URL = setting.NewSecret(origin + hookPath + "?api-version=2016-06-01&sig=" + signature)
			return s
		},
		format: "ecs", order: true, refused: 401,
	},
	{
		name:   "pagerduty",
		server: func() *servicetest.Server { return servicetest.NewPagerDuty(apiKey) },
		settings: func(origin string) any {
			s := httpsink.PagerDuty.Settings().(*httpsink.PagerDutySettings)
			s.RoutingKey, s.URL = setting.NewSecret(apiKey), origin+"/v2/enqueue"
			return s
		},
		format: "ecs", refused: 403, strange: 200,
	},
}

// eachPreset runs a test for each preset.
func eachPreset(t *testing.T, test func(t *testing.T, r *site)) {
	for _, p := range presets {
		t.Run(p.name, func(t *testing.T) { test(t, newSite(t, p)) })
	}
}

// site is a preset and its service, on loopback.
type site struct {
	aPreset
	*servicetest.Server
	origin string
	log    bytes.Buffer
}

func newSite(t testing.TB, p aPreset) *site {
	r := &site{aPreset: p, Server: p.server()}
	server := httptest.NewServer(r.Server)
	t.Cleanup(server.Close)
	r.origin = server.URL
	return r
}

func (r *site) open(t testing.TB) sink.Sink { return r.openWith(t, r.settings(r.origin)) }

func (r *site) openWith(t testing.TB, settings any) sink.Sink {
	t.Helper()
	env := sink.Env{Lane: "acme/siem", Source: "acme", Dataset: "acme.audit", Log: zerolog.New(&r.log)}
	snk := httpsink.OpenPreset((*setting.TLS)(nil).Transport(posting.NewTransport(8)), env, settings, false)
	t.Cleanup(func() {
		if err := snk.Close(); err != nil {
			t.Error(err)
		}
	})
	return snk
}

// record makes a record in the preset's format. Its number is in its id.
func (r *site) record(n, size int) sink.Record { return cardRecord(r.format, n, size) }

func cardRecord(format string, n, size int) sink.Record {
	id := fmt.Sprintf("id-%06d", n)
	body := fmt.Sprintf(`{"n":%d,"event":{"id":%q,"dataset":"acme.audit"},"message":"quote \" \\ \u0000 \u2028 \ud83d\udd12 <!channel> {{DATE(x)}} *`+"`"+`&>"}`, n, id)
	if pad := size - len(body) - len(`,"pad":""`); size > 0 {
		body = strings.TrimSuffix(body, "}") + `,"pad":"` + strings.Repeat("x", pad) + `"}`
	}
	return sink.Record{
		ID: id, Organization: "acme", Action: "branch.created", Key: "acme/1", Format: format, MediaType: "application/json",
		Time: time.Date(2026, 3, 4, 5, 6, 7, n%1000*1e6, time.UTC), Severity: 3, Object: true, Body: []byte(body),
	}
}

// batch makes n records.
func (r *site) batch(n int) []sink.Record {
	all := make([]sink.Record, n)
	for i := range all {
		all[i] = r.record(i, 0)
	}
	return all
}

// ids are the ids of the events that the service took, as often as it took them.
func (r *site) ids() (ids []string) {
	for _, e := range r.Events() {
		ids = append(ids, strings.TrimPrefix(e.ID, "acme/"))
	}
	return ids
}

func TestPresetsContract(t *testing.T) {
	for _, p := range presets {
		t.Run(p.name, func(t *testing.T) {
			sinktest.Run(t, func(t testing.TB) sinktest.Harness { return p.harness(t) })
		})
	}
}

func (p aPreset) harness(t testing.TB) sinktest.Harness {
	r := newSite(t, p)
	var mu sync.Mutex
	bodies := map[string][]byte{} // of the records, for services that do not get them whole
	d := &outage{met: make(chan struct{})}
	d.room.Store(ample)
	t.Cleanup(func() {
		if broken := r.Broken(); len(broken) > 0 {
			t.Errorf("what the service does in silence: %v", broken)
		}
	})
	r.Script(d.befalls)
	r.Refuse(func(e servicetest.Event) bool { return strings.HasSuffix(e.ID, "id-666666") })
	make := func(n, size int) sink.Record {
		mu.Lock()
		defer mu.Unlock()
		record := r.record(n, size)
		bodies[record.ID] = bytes.Clone(record.Body)
		return record
	}
	return sinktest.Harness{
		Patience: 30 * time.Second,
		Open:     func(t testing.TB) sink.Sink { return r.open(t) },
		Received: func(testing.TB) [][]byte {
			mu.Lock()
			defer mu.Unlock()
			var all [][]byte
			events := r.Events()
			if !p.order { // Requests are concurrent.
				slices.SortStableFunc(events, func(a, b servicetest.Event) int { return strings.Compare(a.ID, b.ID) })
			}
			for _, e := range events {
				body := e.Body
				if body == nil {
					body = bodies[strings.TrimPrefix(e.ID, "acme/")]
				}
				all = append(all, body)
			}
			return all
		},
		Record:  make,
		Refused: func(testing.TB) sink.Record { return make(666666, 0) },
		Break:   func(testing.TB) { d.room.Store(0) },
		Falter:  func(_ testing.TB, n int) { d.room.Store(int64(n)) },
		Hang:    func(testing.TB) <-chan struct{} { d.hanging.Store(true); return d.met },
		Repair:  func(testing.TB) { d.hanging.Store(false); d.room.Store(ample) },
	}
}

const ample = 1 << 40

// outage is a service that can be brought into trouble. It takes a request as a whole
// or not at all.
type outage struct {
	room    atomic.Int64 // events that it still takes
	hanging atomic.Bool
	met     chan struct{}
	once    sync.Once
}

func (d *outage) befalls(q servicetest.Request) servicetest.Fault {
	if d.hanging.Load() {
		d.once.Do(func() { close(d.met) })
		return servicetest.Fault{Hang: true}
	}
	if d.room.Add(-int64(q.Events)) < 0 {
		d.room.Store(0)
		return servicetest.Fault{Status: 503}
	}
	return servicetest.Fault{}
}
