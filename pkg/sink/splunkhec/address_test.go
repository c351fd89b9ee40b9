package splunkhec_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/splunkhec"
	"github.com/sluice-siem/sluice/pkg/sink/splunkhec/hectest"
)

// TestAddressWithAPath checks where requests go, with which header, and what errors show.
func TestAddressWithAPath(t *testing.T) {
	const secret = "/tenant-4711"
	for _, tt := range []struct {
		path, scheme string
		want         []string // paths of events, acknowledgements and health
		shown        string
	}{
		{"", "Splunk", []string{"/services/collector/event", "/services/collector/ack", "/services/collector/health"}, ""},
		{"/", "Splunk", []string{"/services/collector/event", "/services/collector/ack", "/services/collector/health"}, ""},
		{"/services/collector", "Splunk", []string{"/services/collector", "/services/collector/ack", "/services/collector/health"}, "/services/collector"},
		{"/services/collector/", "Bearer", []string{"/services/collector", "/services/collector/ack", "/services/collector/health"}, "/services/collector"},
		{"/services/collector/event", "Splunk", []string{"/services/collector/event", "/services/collector/ack", "/services/collector/health"}, "/services/collector"},
		{"/services/collector/event/1.0", "Splunk", []string{"/services/collector/event/1.0", "/services/collector/ack", "/services/collector/health"}, "/services/collector"},
		{secret + "/v1/services/collector", "Bearer", []string{secret + "/v1/services/collector", secret + "/v1/services/collector/ack", secret + "/v1/services/collector/health"}, "/…/services/collector"},
		{"/api/v1/ingest/hec", "Bearer", []string{"/api/v1/ingest/hec", "/api/v1/ingest/hec/ack", "/api/v1/ingest/hec/health"}, "/…"},
	} {
		t.Run(tt.path+" "+tt.scheme, func(t *testing.T) {
			s := newReceiver(t, tt.scheme, tt.want)
			settings := defaults(s.URL + tt.path)
			settings.AuthScheme = tt.scheme
			if errs := settings.Validate(); len(errs) > 0 {
				t.Fatal(errs)
			}
			r := &rig{Server: s.hec, settings: settings, transport: (*setting.TLS)(nil).Transport(splunkhec.NewTransport())}
			snk := r.open(t)
			line, err := snk.(sink.Checker).Check(t.Context())
			if err != nil || !strings.HasPrefix(line, "HEC at "+s.URL+tt.shown+" is healthy and accepts the token; indexer acknowledgement is on; ") {
				t.Errorf("Check: got %q, %v", line, err)
			}
			if err := snk.Publish(t.Context(), batch(3)); err != nil || len(s.hec.Events()) != 3 {
				t.Errorf("got %v and %d events", err, len(s.hec.Events()))
			}
			s.hec.SetToken("another")
			err = snk.Publish(t.Context(), batch(1))
			if err == nil || !strings.Contains(err.Error(), "posting to "+s.URL+tt.shown+": 403") || strings.Contains(err.Error(), secret) {
				t.Errorf("got %v, want the address without what may be a credential", err)
			}
		})
	}
}

// receiver takes events at some paths only, and only with one scheme of authorization.
type receiver struct {
	*httptest.Server
	hec *hectest.Server
}

func newReceiver(t *testing.T, scheme string, paths []string) receiver {
	t.Helper()
	hec := hectest.NewServer(hectest.Config{Token: token, Ack: true})
	known := []string{hectest.PathEvent, hectest.PathAck, hectest.PathHealth}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := slices.Index(paths, r.URL.Path)
		if at < 0 {
			http.NotFound(w, r)
			return
		}
		r.URL.Path = known[at]
		if credential, ok := strings.CutPrefix(r.Header.Get("Authorization"), scheme+" "); ok {
			r.Header.Set("Authorization", "Splunk "+credential)
		} else {
			r.Header.Del("Authorization")
		}
		hec.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return receiver{server, hec}
}

// A receiver without acknowledgement and health check, as others than Splunk are: what
// Check says is what Publish does.
func TestReceiverThatHasEventsOnly(t *testing.T) {
	for _, ack := range []string{"auto", "off", "required"} {
		t.Run(ack, func(t *testing.T) {
			hec := hectest.NewServer(hectest.Config{Token: token})
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != hectest.PathEvent {
					http.NotFound(w, r)
					return
				}
				hec.ServeHTTP(w, r)
			}))
			defer server.Close()
			settings := defaults(server.URL)
			settings.Ack = ack
			r := &rig{Server: hec, settings: settings, transport: (*setting.TLS)(nil).Transport(splunkhec.NewTransport())}
			snk := r.open(t)
			_, checked := snk.(sink.Checker).Check(t.Context())
			published := snk.Publish(t.Context(), batch(3))
			if (checked == nil) != (published == nil) || (checked == nil) != (ack != "required") {
				t.Errorf("Check: %v\nPublish: %v", checked, published)
			}
		})
	}
}
