package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/sourcetest"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/ecs"
)

const token = "acme-token"

// vault serves a log as Acme Vault would.
func vault(log *sourcetest.Memory) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limit, err := strconv.Atoi(r.FormValue("limit"))
		if err != nil || r.Header.Get("Authorization") != "Bearer "+token {
			http.Error(w, "forbidden", http.StatusForbidden)
			return
		}
		p := log.List(r.Context(), r.FormValue("before"), limit)
		if p.Status != http.StatusOK {
			if p.Wait > 0 {
				w.Header().Set("Retry-After", strconv.Itoa(int(p.Wait.Seconds())))
			}
			w.WriteHeader(p.Status)
			return
		}
		entries := []json.RawMessage{}
		for _, e := range p.Events {
			entries = append(entries, json.RawMessage(entry(e.ID, e.Time)))
		}
		next := p.Cursor
		if !p.More {
			next = ""
		}
		if err := json.NewEncoder(w).Encode(map[string]any{"entries": entries, "next": next}); err != nil {
			panic(http.ErrAbortHandler)
		}
	})
}

func entry(id string, at time.Time) string {
	return `{"uid":"` + id + `","at":"` + at.UTC().Format(time.RFC3339Nano) + `","event":"secret.exported","ip":"198.51.100.7",` +
		`"who":{"id":"u1","email":"ada@example.com"},"subject":{"id":"s1","kind":"secret","name":"prod/db"},"unknown":[1, 2]}`
}

func openVault(t testing.TB, url, organization string) source.Source {
	t.Helper()
	typ := Type()
	s := typ.Settings().(*Settings)
	s.URL, s.Organization, s.Token = url, organization, setting.NewSecret(token)
	s.PollInterval, s.RequestsPerMinute = setting.Duration(100*time.Millisecond), 0
	if errs := s.Validate(); len(errs) > 0 {
		t.Fatal(errs)
	}
	src, err := typ.Open(t.Context(), source.OpenEnv{Source: organization}, s)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func TestContract(t *testing.T) {
	sourcetest.Run(t, func(t testing.TB) sourcetest.Harness {
		log := &sourcetest.Memory{}
		server := httptest.NewServer(vault(log))
		t.Cleanup(server.Close)
		return sourcetest.Harness{
			Log:   log,
			Open:  func(t testing.TB) source.Source { return openVault(t, server.URL, "acme") },
			Other: func(t testing.TB) source.Source { return openVault(t, server.URL, "other") },
		}
	})
}

// TestEntriesAreMapped makes an ECS document of an entry.
func TestEntriesAreMapped(t *testing.T) {
	typ := Type()
	if err := typ.Product.Validate(); err != nil {
		t.Fatal(err)
	}
	catalogue, err := transform.ParseCatalogue(typ.Catalogue)
	if err != nil {
		t.Fatal(err)
	}
	format, err := ecs.Format.New(transform.Options{Original: true, Product: typ.Product, Catalogue: catalogue})
	if err != nil {
		t.Fatal(err)
	}
	raw := entry("e1", time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC))
	events, err := typ.Parse([]byte(raw), "acme")
	if err != nil || len(events) != 1 {
		t.Fatalf("got %d events, %v", len(events), err)
	}
	record, err := format.Transform(nil, &events[0])
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Time  string `json:"@timestamp"`
		Event struct {
			ID, Action, Module, Dataset, Original string
			Type                                  []string
		}
		Vault  struct{ Audit struct{ Severity int } } `json:"acme_vault"`
		User   struct{ ID, Email string }
		Source struct{ IP string }
		Threat struct{ Technique struct{ ID []string } }
	}
	if err := json.Unmarshal(record.Body, &got); err != nil {
		t.Fatal(err)
	}
	e := got.Event
	if got.Time != "2026-01-02T12:00:00.000Z" || e.ID != "e1" || e.Action != "secret.exported" || e.Module != "acme_vault" ||
		e.Dataset != "acme_vault.audit" || e.Original != raw || !slices.Contains(e.Type, "access") || got.Vault.Audit.Severity != 7 ||
		got.User.ID != "u1" || got.User.Email != "ada@example.com" || got.Source.IP != "198.51.100.7" || !slices.Contains(got.Threat.Technique.ID, "T1552") {
		t.Errorf("got %s", record.Body)
	}
}

func TestEntriesThatAreNone(t *testing.T) {
	for text, want := range map[string]int{`{"entries":[1,{"uid":"a","at":"2026-01-02T12:00:00Z"}],"next":""}`: 2, `nonsense`: 1} {
		events, err := parse([]byte(text), "acme")
		if err != nil || len(events) != want || events[0].Problem == "" || len(events[0].Raw) == 0 || !strings.HasPrefix(events[0].ID, "sha256:") {
			t.Errorf("%s: got %+v, %v", text, events, err)
		}
	}
}

func TestTokenGoesNowhereElse(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer other.Close()
	server := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	src := openVault(t, server.URL, "acme")
	if _, err := src.Check(t.Context()); err == nil || strings.Contains(err.Error(), token) {
		t.Errorf("got %v, want an error without the token", err)
	}
	if err := src.Close(); err != nil {
		t.Error(err)
	}
}

func TestSettingsThatAreWrong(t *testing.T) {
	for _, s := range []Settings{
		{URL: "https://vault.example", Organization: "acme"},
		{URL: "http://vault.example", Organization: "acme", Token: setting.NewSecret(token)},
		{URL: "https://", Organization: "acme", Token: setting.NewSecret(token)},
		{URL: "https://vault.example", Token: setting.NewSecret(token)},
	} {
		if errs := s.Validate(); len(errs) != 1 {
			t.Errorf("%+v: got %v, want one error", s, errs)
		}
	}
}
