package objectstore_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
	"github.com/sluice-siem/sluice/pkg/internal/objectstore/objectstoretest"
	"github.com/sluice-siem/sluice/pkg/setting"
)

// gcsRig is a server, and settings with the key of its account.
func gcsRig(t *testing.T) (*objectstoretest.GCS, *objectstore.GCSSettings) {
	t.Helper()
	google := objectstoretest.NewGCS(objectstoretest.New())
	server := httptest.NewServer(google)
	t.Cleanup(server.Close)
	return google, &objectstore.GCSSettings{
		Bucket: objectstoretest.BucketName, Prefix: "team/audit", Endpoint: server.URL,
		ServiceAccountKey: setting.NewSecret(google.Key(server.URL)),
	}
}

func openGCS(t *testing.T, s *objectstore.GCSSettings) *objectstore.GCS {
	if errs := s.Validate(); len(errs) > 0 {
		t.Fatal(errs)
	}
	g := objectstore.OpenGCS(s)
	t.Cleanup(g.Close)
	return g
}

func TestGCS(t *testing.T) {
	_, s := gcsRig(t)
	objectstoretest.Run(t, openGCS(t, s))
}

func TestGCSFaults(t *testing.T) {
	for _, tt := range []struct {
		fault objectstoretest.Fault
		kind  error
		class string
		hint  string
	}{
		{objectstoretest.Busy, objectstore.ErrBusy, "", ""},
		{objectstoretest.Refused, objectstore.ErrRefused, "destination", "Storage Object Creator"},
		{objectstoretest.NoBucket, objectstore.ErrNoBucket, "destination", "create the bucket audit"},
		{objectstoretest.Lost, nil, "", ""},
	} {
		google, s := gcsRig(t)
		google.Store.Interfere(func(objectstoretest.Op, string) objectstoretest.Fault { return tt.fault })
		err := openGCS(t, s).Create(t.Context(), "a/b", objectstore.Object{})
		if err == nil || tt.kind != nil && !errors.Is(err, tt.kind) {
			t.Errorf("fault %d: got %v, want %v", tt.fault, err, tt.kind)
		}
		if got := failure.Class(err); got != tt.class {
			t.Errorf("%v: got class %q, want %q", err, got, tt.class)
		}
		if got := failure.Hint(err); !strings.Contains(got, tt.hint) {
			t.Errorf("%v: got hint %q, want %q", err, got, tt.hint)
		}
	}
}

// A token that is refused is not used again.
func TestGCSGetsAnotherToken(t *testing.T) {
	google, s := gcsRig(t)
	g := openGCS(t, s)
	if err := g.Reach(t.Context()); err != nil {
		t.Fatal(err)
	}
	google.Token = "ya29.second-token-of-the-account"
	if err := g.Reach(t.Context()); !errors.Is(err, objectstore.ErrRefused) {
		t.Errorf("got %v, want ErrRefused", err)
	}
	if err := g.Reach(t.Context()); err != nil {
		t.Errorf("with another token: %v", err)
	}
}

func TestGCSWithAnotherKey(t *testing.T) {
	google, s := gcsRig(t)
	s.ServiceAccountKey = setting.NewSecret(google.FormerKey(s.Endpoint))
	err := openGCS(t, s).Reach(t.Context())
	if !errors.Is(err, objectstore.ErrRefused) || !strings.Contains(err.Error(), "invalid_grant the signature is not valid") {
		t.Errorf("got %v, want that the signature is refused", err)
	}
	if strings.Contains(err.Error(), "eyJ") {
		t.Errorf("%v shows the assertion", err)
	}
}

// Without a key the token is that of the machine.
func TestGCSOnAMachine(t *testing.T) {
	google, s := gcsRig(t)
	machine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Metadata-Flavor") != "Google" || r.URL.Path != "/computeMetadata/v1/instance/service-accounts/default/token" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		_, _ = w.Write([]byte(`{"access_token":"` + google.Token + `","expires_in":3000,"token_type":"Bearer"}`))
	}))
	defer machine.Close()
	t.Setenv("GCE_METADATA_HOST", strings.TrimPrefix(machine.URL, "http://"))
	s.ServiceAccountKey = setting.Secret{}
	if err := openGCS(t, s).Reach(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestGCSKeyThatIsNone(t *testing.T) {
	google, s := gcsRig(t)
	for _, key := range []string{
		"{}", "hunter2",
		strings.Replace(google.Key("http://127.0.0.1"), "http://127.0.0.1", "http://example.com", 1),
		strings.Replace(google.Key("http://127.0.0.1"), "BEGIN PRIVATE", "BEGIN", 1),
	} {
		s.ServiceAccountKey = setting.NewSecret(key)
		errs := s.Validate()
		if len(errs) != 1 || errs[0].(*setting.KeyError).Key != "service_account_key" || strings.Contains(errs[0].Error(), "hunter2") {
			t.Errorf("got %v, want a problem of service_account_key", errs)
		}
	}
}
