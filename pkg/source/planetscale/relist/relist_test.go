package relist_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/relist"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

const token = "pscale_tkn_abcdefghijklmnop"

func logOf(s *simulator.Server) relist.Log {
	return relist.Log{
		Endpoint: "https://api.example.com/v1/organizations/acme/audit-log", Transport: s.Transport(), PerMinute: 300,
		Authorize: func(r *http.Request) (string, error) {
			r.Header.Set("Authorization", "id:"+token)
			return token, nil
		},
		Explain: func(error) string { return "" },
	}
}

// list returns the raw events by their ids.
func list(t *testing.T, l relist.Log) (map[string]source.Listed, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
	defer cancel()
	all := map[string]source.Listed{}
	err := l.List(ctx, func(e source.Listed) error {
		if _, twice := all[e.ID]; twice {
			t.Errorf("%s is there twice", e.ID)
		}
		all[e.ID] = e
		return nil
	})
	return all, err
}

// Whatever the server does, a listing that ends well has every event that was there all the
// time, and none that never was.
func TestListsAllInEveryScenario(t *testing.T) {
	var failed []string
	for _, scenario := range simulator.Scenarios() {
		t.Run(scenario.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := simulator.New(simulator.Config{Events: 420, Seed: 7})
				scenario.Apply(s)
				before := map[string]bool{}
				for e := range s.Visible() {
					before[e.ID] = true
				}
				got, err := list(t, logOf(s))
				if err != nil {
					failed = append(failed, scenario.Name)
					t.Log(err)
					return
				}
				raws := map[string][][]byte{}
				for e := range s.Ever() {
					raws[e.ID] = append(e.Former, e.Raw)
					if _, listed := got[e.ID]; before[e.ID] && e.Gone.IsZero() && !listed && !nameless(e.Raw) {
						t.Errorf("%s of %s is missing: %s", e.ID, e.Created, e.Raw)
					}
				}
				for id, e := range got {
					if strings.HasPrefix(id, "sha256:") {
						continue
					}
					if !slices.ContainsFunc(raws[id], func(raw []byte) bool { return bytes.Equal(raw, e.Raw) }) {
						t.Errorf("%s never was in the log: %s", id, e.Raw)
					}
				}
			})
		})
	}
	// What cannot be listed as a whole is an error, and never a part.
	want := []string{"redirect", "token-rotated", "permission-withdrawn", "not-found-for-a-while", "cycle-of-two-cursors", "undecodable-elements"}
	if !slices.Equal(failed, want) {
		t.Errorf("the listings of %q failed, want %q", failed, want)
	}
}

// nameless reports whether an event has no id of its own.
func nameless(raw []byte) bool { return !bytes.Contains(raw, []byte(`"id":"`)) }

// Every switch of the API is read.
func TestListsInEveryOrder(t *testing.T) {
	for _, c := range []simulator.Config{
		{}, {Order: simulator.OldestFirst}, {SortKey: simulator.ByInsertion}, {Purged: simulator.EmptyPage}, {RequestsPerMinute: 20},
	} {
		synctest.Test(t, func(t *testing.T) {
			c.Events = 1050
			got, err := list(t, logOf(simulator.New(c)))
			if err != nil || len(got) != 1050 {
				t.Errorf("%+v: got %d events, %v", c, len(got), err)
			}
			for _, e := range got {
				if e.Time.IsZero() {
					t.Fatalf("%s has no time: %s", e.ID, e.Raw)
				}
			}
		})
	}
}

// An event that is deleted while it is the cursor begins the listing anew, whatever the
// server answers.
func TestListsAnewBehindADeletedEvent(t *testing.T) {
	for _, purged := range []simulator.Purged{simulator.NotFound404, simulator.BadRequest400, simulator.Unprocessable422, simulator.EmptyPage, simulator.FirstPage} {
		synctest.Test(t, func(t *testing.T) {
			s := simulator.New(simulator.Config{Events: 500, Purged: purged})
			s.Script(func(r simulator.Request) simulator.Fault {
				if r.N == 3 {
					s.Delete(r.StartingAfter)
				}
				return simulator.Fault{}
			})
			if got, err := list(t, logOf(s)); err != nil || len(got) != 500 {
				t.Errorf("%v: got %d events, %v", purged, len(got), err)
			}
		})
	}
}

// The token is not sent elsewhere, and is in no error.
func TestKeepsTheToken(t *testing.T) {
	for name, f := range map[string]simulator.Fault{
		"a redirect": {Status: http.StatusFound, Header: http.Header{"Location": {"https://elsewhere.example.com/"}}},
		"a refusal":  {Status: http.StatusForbidden, Body: `{"message":"id:` + token + ` is not allowed"}`},
		"an echo":    {Status: http.StatusInternalServerError, Body: "Authorization: id:" + token},
		"no page":    {Status: http.StatusOK, Body: `{"type":"` + token + `","data":1}`},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := simulator.New(simulator.Config{Events: 5})
			s.Script(func(simulator.Request) simulator.Fault { return f })
			_, err := list(t, logOf(s))
			if err == nil || strings.Contains(err.Error(), token) {
				t.Errorf("%s: got %v", name, err)
			}
			for _, r := range s.Requests() {
				if r.Host != "api.example.com" {
					t.Errorf("%s: a request to %s", name, r.Host)
				}
			}
			if f.Status < 500 && f.Status != http.StatusOK && (failure.Hint(err) == "" || s.RequestCount() != 1) {
				t.Errorf("%s: %d requests, and the hint %q", name, s.RequestCount(), failure.Hint(err))
			}
		})
	}
}

// The rate is kept, and a server that asks for a pause gets it.
func TestKeepsTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulator.New(simulator.Config{Events: 3000})
		s.Script(func(r simulator.Request) simulator.Fault {
			if r.N == 2 {
				return simulator.Fault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"30"}}}
			}
			return simulator.Fault{}
		})
		l := logOf(s)
		l.PerMinute = 60
		began := time.Now()
		if got, err := list(t, l); err != nil || len(got) != 3000 {
			t.Errorf("got %d events, %v", len(got), err)
		}
		if took := time.Since(began); took < 59*time.Second || took > 65*time.Second {
			t.Errorf("31 requests at 60 a minute and a pause of 30s took %s", took)
		}
	})
}

func TestEndsWithItsContextAndItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulator.New(simulator.Config{Events: 500})
		stop := errors.New("stop")
		err := func() error { l := logOf(s); return l.List(t.Context(), func(source.Listed) error { return stop }) }()
		if !errors.Is(err, stop) || s.RequestCount() != 1 {
			t.Errorf("got %v after %d requests", err, s.RequestCount())
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		l := logOf(s)
		if err := l.List(ctx, func(source.Listed) error { return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

// What has no id, no time or no form is listed all the same.
func TestListsStrangeEvents(t *testing.T) {
	strange := map[string]string{
		"7":     `{"id":7,"created_at":"2026-01-02T03:04:05.000Z"}`,
		"upper": `{"ID":"other","id":"upper","created_at":"yesterday"}`,
		"late":  `{"id":"late","created_at":null}`,
		"":      `{"created_at":"2026-01-02T03:04:05.000Z"}`,
		"none":  `["no object"]`,
		"long":  `{"id":"` + strings.Repeat("x", 256) + `"}`,
	}
	var elements []string
	for _, key := range slices.Sorted(maps.Keys(strange)) {
		elements = append(elements, " "+strange[key]+"\n")
	}
	synctest.Test(t, func(t *testing.T) {
		s := simulator.New(simulator.Config{})
		s.Script(func(simulator.Request) simulator.Fault {
			return simulator.Fault{Status: http.StatusOK, Body: fmt.Sprintf(`{"type":"list","has_next":false,"cursor_end":null,"data":[%s]}`, strings.Join(elements, ","))}
		})
		got, err := list(t, logOf(s))
		if err != nil || len(got) != len(strange) {
			t.Fatalf("got %v, %v", got, err)
		}
		for id, e := range got {
			if raw := string(e.Raw); !slices.Contains(slices.Collect(maps.Values(strange)), raw) {
				t.Errorf("%s: got %s", id, raw)
			}
			if named := strange[id] != ""; named == strings.HasPrefix(id, "sha256:") || (id == "7") == e.Time.IsZero() {
				t.Errorf("got the id %s at %s for %s", id, e.Time, e.Raw)
			}
		}
	})
}
