package httpsink_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/httpsink/servicetest"
)

// outcome is what a Publish says of a batch, as a lane understands it.
func outcome(err error) string {
	var named sink.BatchError
	switch {
	case err == nil:
		return "delivered"
	case sink.IsPermanent(err):
		return "rejected"
	case errors.As(err, &named) && slices.ContainsFunc(named, func(e sink.RecordError) bool { return sink.IsPermanent(e.Err) }):
		return "some rejected"
	case failure.IsRefused(err):
		return "refused credential"
	case failure.Class(err) == "destination":
		return "destination"
	}
	return "again"
}

// TestPresetsUnderstandAnswers gives each preset each answer. What no preset says otherwise
// is the same for all.
func TestPresetsUnderstandAnswers(t *testing.T) {
	common := map[int]string{
		204: "destination", 301: "destination", 302: "destination", 307: "destination", 400: "rejected", 401: "refused credential", 403: "refused credential",
		404: "destination", 405: "destination", 407: "destination", 408: "again", 409: "destination", 410: "destination", 413: "rejected",
		415: "destination", 422: "rejected", 425: "again", 429: "again", 500: "again", 502: "again", 503: "again", 504: "again", 599: "again",
	}
	special := map[string]map[int]string{
		"sumo":  {404: "refused credential"},
		"slack": {404: "refused credential"},
		"teams": {409: "again"},
	}
	eachPreset(t, func(t *testing.T, r *site) {
		snk := r.open(t)
		for status, want := range common {
			if other, ok := special[r.name][status]; ok {
				want = other
			}
			r.Script(func(servicetest.Request) servicetest.Fault { return servicetest.Fault{Status: status} })
			err := snk.Publish(t.Context(), r.batch(1))
			if got := outcome(err); got != want {
				t.Errorf("status %d: %s, want %s: %v", status, got, want, err)
			}
			if want == "destination" && status != 407 && failure.Hint(err) == "" || want == "refused credential" && failure.Hint(err) == "" {
				t.Errorf("status %d: no hint: %v", status, err)
			}
		}
		if ids := r.ids(); len(ids) > 0 {
			t.Errorf("%v were taken", ids)
		}
	})
}

// A proxy may answer with a page and the status of a success.
func TestPresetsTakeNoPageForASuccess(t *testing.T) {
	eachPreset(t, func(t *testing.T, r *site) {
		snk := r.open(t)
		for _, status := range []int{200, 202} {
			r.Script(func(servicetest.Request) servicetest.Fault {
				return servicetest.Fault{Status: status, Text: "\ufeff\n<html><title>Sign in</title></html>"}
			})
			err := snk.Publish(t.Context(), r.batch(1))
			if got := outcome(err); got != "again" && got != "destination" || !strings.Contains(failure.Hint(err), "another program answers") {
				t.Errorf("status %d: %s, with the hint %q", status, got, failure.Hint(err))
			}
		}
	})
}

// A service may repeat all that it was sent.
func TestPresetsShowNoSecret(t *testing.T) {
	eachPreset(t, func(t *testing.T, r *site) {
		snk := r.open(t)
		for _, status := range []int{200, 202, 302, 400, 401, 403, 404, 413, 429, 500} {
			r.Script(func(servicetest.Request) servicetest.Fault { return servicetest.Fault{Status: status, Echo: true} })
			err := snk.Publish(t.Context(), r.batch(1))
			text := r.log.String()
			if err != nil {
				text += err.Error() + failure.Hint(err)
			}
			for _, secret := range secrets {
				if strings.Contains(text, secret) {
					t.Errorf("status %d: %s shows %s", status, text, secret)
				}
			}
		}
		r.Script(func(servicetest.Request) servicetest.Fault { return servicetest.Fault{Drop: true} })
		if err := snk.Publish(t.Context(), r.batch(1)); err == nil || slices.ContainsFunc(secrets, func(s string) bool { return strings.Contains(err.Error(), s) }) {
			t.Errorf("got %v, want an error without a secret", err)
		}
	})
}

// Retry-After is the least that a lane waits.
func TestPresetsWaitAsLongAsTheServiceAsks(t *testing.T) {
	eachPreset(t, func(t *testing.T, r *site) {
		r.Script(func(servicetest.Request) servicetest.Fault {
			return servicetest.Fault{Status: 429, Text: "rate_limited", Header: map[string]string{"Retry-After": "7"}}
		})
		err := r.open(t).Publish(t.Context(), r.batch(3))
		if got := failure.RetryAfter(err); got != 7*time.Second || outcome(err) != "again" {
			t.Errorf("waits %v after %v, want 7s", got, err)
		}
		if got := r.Requests(); got > 8 {
			t.Errorf("%d requests to a service that is too busy", got)
		}
	})
}

// The service takes the events, and its answer is lost: they are sent again, with the same
// ids.
func TestPresetsSendAgainWhatIsUnknown(t *testing.T) {
	eachPreset(t, func(t *testing.T, r *site) {
		lost := false
		r.Script(func(servicetest.Request) (f servicetest.Fault) {
			f.Lose, lost = !lost, true
			return f
		})
		snk := r.open(t)
		batch := r.batch(1)
		if got := outcome(snk.Publish(t.Context(), batch)); got != "again" {
			t.Fatalf("after a lost answer: %s, want again", got)
		}
		if err := snk.Publish(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		want := []string{batch[0].ID, batch[0].ID}
		if r.name == "pagerduty" { // It knows the event by its dedup_key.
			want = want[:1]
		}
		if got := r.ids(); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// One bad event poisons no other.
func TestPresetsRejectOnlyTheBadEvent(t *testing.T) {
	eachPreset(t, func(t *testing.T, r *site) {
		r.Refuse(func(e servicetest.Event) bool { return strings.HasSuffix(e.ID, "id-000002") })
		batch := r.batch(5)
		var faults sink.BatchError
		if err := r.open(t).Publish(t.Context(), batch); !errors.As(err, &faults) || len(faults) != 1 || faults[0].Index != 2 || !sink.IsPermanent(faults[0].Err) {
			t.Fatalf("got %v, want record 2 rejected", err)
		}
		got := r.ids()
		slices.Sort(got)
		if want := []string{"id-000000", "id-000001", "id-000003", "id-000004"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// What is too large is sent in halves.
func TestPresetsSplit(t *testing.T) {
	eachPreset(t, func(t *testing.T, r *site) {
		r.Script(func(q servicetest.Request) (f servicetest.Fault) {
			if q.Events > 2 {
				f.Status = 413
			}
			return f
		})
		if err := r.open(t).Publish(t.Context(), r.batch(5)); err != nil {
			t.Fatal(err)
		}
		if got := r.ids(); len(got) != 5 {
			t.Errorf("got %v, want 5 events", got)
		}
	})
}

// Another program may answer in place of the service, such as the page of a proxy.
func TestPresetsBelieveNoStrangeSuccess(t *testing.T) {
	eachPreset(t, func(t *testing.T, r *site) {
		if r.strange == 0 { // Any success is one.
			return
		}
		r.Script(func(servicetest.Request) servicetest.Fault {
			return servicetest.Fault{Status: r.strange, Text: "<html>Sign in"}
		})
		if err := r.open(t).Publish(t.Context(), r.batch(1)); outcome(err) != "destination" || failure.Hint(err) == "" {
			t.Errorf("got %v, want a fault of the destination, with a hint", err)
		}
	})
}
