package app

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/config"
)

// systemd must not be told that a process lives whose admin server answers with an error.
func TestLivesOnlyWithStatus200(t *testing.T) {
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			t.Errorf("got path %s", r.URL.Path)
		}
		w.WriteHeader(status)
	}))
	defer server.Close()
	at := server.Listener.Addr().String()
	if err := lives(t.Context(), config.Admin{}, at, time.Minute); err != nil {
		t.Errorf("status 200: got %v", err)
	}
	for _, status = range []int{http.StatusNoContent, http.StatusMisdirectedRequest, http.StatusServiceUnavailable} {
		if err := lives(t.Context(), config.Admin{}, at, time.Minute); err == nil || !strings.Contains(err.Error(), http.StatusText(status)) {
			t.Errorf("status %d: got error %v, want one that names the status", status, err)
		}
	}
}
