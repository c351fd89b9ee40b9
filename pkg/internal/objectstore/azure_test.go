package objectstore_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
	"github.com/sluice-siem/sluice/pkg/setting"
)

// azureAt is a client of a handler, with a key.
func azureAt(t *testing.T, handler http.HandlerFunc, change func(*objectstore.AzureSettings)) *objectstore.Azure {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	s := &objectstore.AzureSettings{Account: "acme", Container: "audit", Prefix: "team", Endpoint: server.URL, PathStyle: true, AccountKey: setting.NewSecret("c2VjcmV0IG9mIGFjbWU=")}
	if change != nil {
		change(s)
	}
	if errs := s.Validate(); len(errs) > 0 {
		t.Fatal(errs)
	}
	a := objectstore.OpenAzure(s)
	t.Cleanup(a.Close)
	return a
}

func TestAzureAnswers(t *testing.T) {
	for _, tt := range []struct {
		status            int
		code              string
		kind              error
		class, hint, when string
	}{
		{409, "BlobAlreadyExists", objectstore.ErrExists, "", "", ""},
		{412, "ConditionNotMet", objectstore.ErrExists, "", "", ""},
		{404, "ContainerNotFound", objectstore.ErrNoBucket, "destination", "create the container audit", ""},
		{409, "ContainerBeingDeleted", objectstore.ErrBusy, "", "", ""},
		{503, "ServerBusy", objectstore.ErrBusy, "", "", ""},
		{403, "AuthenticationFailed", objectstore.ErrRefused, "destination", "account_key is not a key of account", ""},
		{403, "AuthorizationPermissionMismatch", objectstore.ErrRefused, "destination", "Storage Blob Data Contributor", ""},
		{409, "BlobImmutableDueToPolicy", objectstore.ErrRefused, "destination", "write exactly_once", ""},
		{500, "InternalError", nil, "", "", ""},
	} {
		a := azureAt(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Ms-Error-Code", tt.code)
			w.WriteHeader(tt.status)
		}, nil)
		err := a.Create(t.Context(), "a/b", objectstore.Object{})
		if err == nil || tt.kind != nil && !errors.Is(err, tt.kind) || tt.kind == nil && (errors.Is(err, objectstore.ErrExists) || errors.Is(err, objectstore.ErrNotFound)) {
			t.Errorf("%d %s: got %v, want %v", tt.status, tt.code, err, tt.kind)
		}
		if !strings.Contains(err.Error(), tt.code) && tt.kind != objectstore.ErrExists {
			t.Errorf("%v does not name %s", err, tt.code)
		}
		if got := failure.Class(err); got != tt.class {
			t.Errorf("%v: got class %q, want %q", err, got, tt.class)
		}
		if got := failure.Hint(err); !strings.Contains(got, tt.hint) {
			t.Errorf("%v: got hint %q, want %q", err, got, tt.hint)
		}
	}
}

// Only the answer to a creation says that the key is taken.
func TestAzureConflictOfAnother(t *testing.T) {
	a := azureAt(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusPreconditionFailed) }, nil)
	if err := a.Put(t.Context(), "a/b", objectstore.Object{}); err == nil || errors.Is(err, objectstore.ErrExists) {
		t.Errorf("got %v, want another error", err)
	}
}

// Azure lists a folder only from its beginning, or from where a page ended.
func TestAzureListsBeyondAPage(t *testing.T) {
	const keys, size = 4321, 1500
	asked := 0
	a := azureAt(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		if got := r.URL.Query().Get("prefix"); got != "team/log/" {
			t.Errorf("got prefix %q", got)
		}
		first, _ := strconv.Atoi(r.URL.Query().Get("marker"))
		fmt.Fprint(w, "\ufeff<EnumerationResults><Blobs>")
		for n := first; n < min(first+size, keys); n++ {
			fmt.Fprintf(w, "<Blob><Name>team/log/%06d</Name><Properties><Last-Modified>Tue, 01 Dec 2026 05:00:00 GMT</Last-Modified><Content-Length>7</Content-Length></Properties></Blob>", n)
		}
		fmt.Fprint(w, "</Blobs><NextMarker>")
		if first+size < keys {
			fmt.Fprint(w, first+size)
		}
		fmt.Fprint(w, "</NextMarker></EnumerationResults>")
	}, nil)
	after, seen := "", 0
	for {
		infos, more, err := a.List(t.Context(), "log/", after)
		if err != nil {
			t.Fatal(err)
		}
		for _, info := range infos {
			if want := fmt.Sprintf("log/%06d", seen); info.Key != want || info.Size != 7 {
				t.Fatalf("got %+v, want %s", info, want)
			}
			seen++
		}
		if !more {
			break
		}
		after = infos[len(infos)-1].Key
	}
	if seen != keys {
		t.Errorf("got %d keys, want %d", seen, keys)
	}
	if asked > 8 {
		t.Errorf("asked %d times: pages that are behind are listed again", asked)
	}
}

func TestAzureSharedAccessSignature(t *testing.T) {
	const token = "?sv=2023-11-03&sr=c&sp=rcwl&sig=c2VjcmV0%2Bc2lnbmF0dXJl%3D"
	a := azureAt(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" || r.URL.Query().Get("sig") != "c2VjcmV0+c2lnbmF0dXJl=" || r.URL.Query().Get("comp") != "list" {
			t.Errorf("got %s with %q", r.URL, r.Header.Get("Authorization"))
		}
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, "<Error><Code>AuthenticationFailed</Code><Message>sig=%s</Message></Error>", "c2VjcmV0+c2lnbmF0dXJl=")
	}, func(s *objectstore.AzureSettings) {
		s.AccountKey, s.SASToken = setting.Secret{}, setting.NewSecret(token)
	})
	err := a.Reach(t.Context())
	if !errors.Is(err, objectstore.ErrRefused) || strings.Contains(err.Error(), "c2VjcmV0") {
		t.Errorf("got %v, want a refusal without the signature", err)
	}
	if got := failure.Hint(err); !strings.Contains(got, "has expired") {
		t.Errorf("got hint %q", got)
	}
}

// Without key and SAS, a token of Microsoft Entra is asked for: by workload identity, or of
// the machine.
func TestAzureEntra(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("federated.token.of.the.pod\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	store := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer token-of-entra-0815" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, "<EnumerationResults><Blobs></Blobs><NextMarker/></EnumerationResults>")
	}
	none := func(s *objectstore.AzureSettings) { s.AccountKey = setting.Secret{} }
	entra := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := map[string]string{"access_token": "token-of-entra-0815", "expires_in": "3599"}
		switch {
		case r.URL.Path == "/acme-tenant/oauth2/v2.0/token" && r.PostFormValue("client_assertion") == "federated.token.of.the.pod" &&
			r.PostFormValue("client_id") == "acme-client" && r.PostFormValue("scope") == "https://storage.azure.com/.default":
		case r.URL.Path == "/machine" && r.Header.Get("Metadata") == "true" && r.URL.Query().Get("resource") == "https://storage.azure.com/":
		default:
			w.WriteHeader(http.StatusBadRequest)
			answer = map[string]string{"error": "invalid_request", "error_description": "of " + r.URL.Path}
		}
		_ = json.NewEncoder(w).Encode(answer) // The client may have gone.
	}))
	defer entra.Close()
	machine := azureAt(t, store, none)
	machine.Machine(entra.URL + "/machine")
	if err := machine.Reach(t.Context()); err != nil {
		t.Errorf("managed identity: %v", err)
	}
	t.Setenv("AZURE_FEDERATED_TOKEN_FILE", file)
	t.Setenv("AZURE_TENANT_ID", "acme-tenant")
	t.Setenv("AZURE_CLIENT_ID", "acme-client")
	t.Setenv("AZURE_AUTHORITY_HOST", entra.URL+"/")
	if err := azureAt(t, store, none).Reach(t.Context()); err != nil {
		t.Errorf("workload identity: %v", err)
	}
	t.Setenv("AZURE_CLIENT_ID", "another")
	err := azureAt(t, store, none).Reach(t.Context())
	if !errors.Is(err, objectstore.ErrRefused) || !strings.Contains(err.Error(), "invalid_request") {
		t.Errorf("got %v, want a refusal", err)
	}
}

func TestAzureValidate(t *testing.T) {
	for _, tt := range []struct {
		key    string
		change func(*objectstore.AzureSettings)
	}{
		{"account", func(s *objectstore.AzureSettings) { s.Account = "acme.blob.core.windows.net" }},
		{"container", func(s *objectstore.AzureSettings) { s.Container = "Audit" }},
		{"prefix", func(s *objectstore.AzureSettings) { s.Prefix = "/x" }},
		{"endpoint", func(s *objectstore.AzureSettings) { s.Endpoint = "http://example.com" }},
		{"account_key", func(s *objectstore.AzureSettings) { s.AccountKey = setting.NewSecret("hunter2") }},
		{"sas_token", func(s *objectstore.AzureSettings) { s.SASToken = setting.NewSecret("hunter2") }},
		{"sas_token", func(s *objectstore.AzureSettings) {
			s.AccountKey, s.SASToken = setting.NewSecret("c2VjcmV0"), setting.NewSecret("sv=1&sig=hunter2")
		}},
	} {
		s := &objectstore.AzureSettings{Account: "acme", Container: "audit"}
		tt.change(s)
		errs := s.Validate()
		if len(errs) != 1 || errs[0].(*setting.KeyError).Key != tt.key || strings.Contains(errs[0].Error(), "hunter2") {
			t.Errorf("got %v, want a problem of %s", errs, tt.key)
		}
	}
}
