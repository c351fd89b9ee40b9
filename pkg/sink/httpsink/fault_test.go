package httpsink_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/httpsink"
	"github.com/sluice-siem/sluice/pkg/sink/httpsink/collectortest"
)

// troubles are the faults of the server.
func trouble(n int) collectortest.Fault {
	answer := func(status int) *collectortest.Answer { return &collectortest.Answer{Status: status} }
	switch n {
	case 0:
		return collectortest.Fault{Reset: true}
	case 1:
		return collectortest.Fault{Reset: true, Handled: true}
	case 2:
		return collectortest.Fault{Hang: true}
	case 3:
		return collectortest.Fault{Hang: true, Handled: true}
	case 4:
		return collectortest.Fault{Cut: true}
	case 5:
		return collectortest.Fault{Cut: true, Handled: true}
	case 6:
		return collectortest.Fault{Garbage: true}
	case 7:
		return collectortest.Fault{Answer: answer(500)}
	case 8:
		return collectortest.Fault{Answer: answer(503), Handled: true}
	case 9:
		return collectortest.Fault{Answer: &collectortest.Answer{Status: 429, RetryAfter: 7}}
	case 10:
		return collectortest.Fault{Answer: answer(413)}
	case 11:
		return collectortest.Fault{Answer: &collectortest.Answer{Status: 307, Location: "http://other.example.com/"}}
	case 12:
		return collectortest.Fault{Answer: answer(401)}
	case 13:
		return collectortest.Fault{Answer: answer(404)}
	case 14:
		return collectortest.Fault{Delay: time.Minute}
	}
	return collectortest.Fault{}
}

// Whatever goes wrong, every good event arrives, exactly the bad ones are refused, and each
// request has a name of its own. A record alone that gets 413 is refused, so there only
// requests of several get it.
func TestEveryFault(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		troubles := rapid.SliceOfN(rapid.IntRange(0, 15), 0, 25).Draw(rt, "troubles")
		body := rapid.SampledFrom([]string{"ndjson", "json_array", "single"}).Draw(rt, "body")
		compression := rapid.SampledFrom([]string{"gzip", "zstd", "none"}).Draw(rt, "compression")
		n := rapid.IntRange(1, 30).Draw(rt, "records")
		bad := rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 0, min(n, 4), rapid.ID[int]).Draw(rt, "bad")
		perRequest := rapid.IntRange(1, 12).Draw(rt, "events a request")
		concurrency := rapid.IntRange(1, 4).Draw(rt, "concurrency")
		c := collectortest.Config{Refuse: isBad, Script: func(q collectortest.Request) collectortest.Fault {
			if len(troubles) == 0 {
				return collectortest.Fault{}
			}
			f := trouble(troubles[0])
			troubles = troubles[1:]
			if f.Answer != nil && f.Answer.Status == 413 && len(q.Events) == 1 {
				return collectortest.Fault{}
			}
			return f
		}}
		var refused []string
		var settled error
		taken := map[int]int{}
		bubble(t, c, func(t *testing.T, r *rig) {
			r.settings.Body, r.settings.Compression = body, compression
			r.settings.MaxRequestEvents, r.settings.Concurrency = perRequest, concurrency
			refused, settled = settle(t.Context(), r.open(t), batch(n, bad...))
			taken = r.taken(t)
		})
		if settled != nil {
			rt.Fatal(settled)
		}
		slices.Sort(refused)
		want := []string{}
		for _, i := range bad {
			want = append(want, record(i, "").ID)
		}
		slices.Sort(want)
		if !slices.Equal(refused, want) {
			rt.Errorf("refused %v, want %v", refused, want)
		}
		if len(taken) != n-len(bad) {
			rt.Errorf("%d of %d events arrived", len(taken), n-len(bad))
		}
	})
}

// An answer that is lost after the events were taken makes them arrive again, under the same
// name.
func TestALostAnswerRepeatsTheName(t *testing.T) {
	lost := func(q collectortest.Request) collectortest.Fault {
		return collectortest.Fault{Answer: &collectortest.Answer{Status: 502}, Handled: q.Number == 1}
	}
	bubble(t, collectortest.Config{Script: func(q collectortest.Request) collectortest.Fault {
		if q.Number > 1 {
			return collectortest.Fault{}
		}
		return lost(q)
	}}, func(t *testing.T, r *rig) {
		if _, err := settle(t.Context(), r.open(t), batch(3)); err != nil {
			t.Fatal(err)
		}
		posts := r.Requests()
		if len(posts) != 2 || posts[0].Header.Get("Idempotency-Key") != posts[1].Header.Get("Idempotency-Key") {
			t.Errorf("%d requests", len(posts))
		}
		if times := r.taken(t); times[0] != 2 {
			t.Errorf("taken %v", times)
		}
	})
}

// kindOf says what an error of Publish means.
func kindOf(err error) string {
	switch {
	case err == nil:
		return "delivered"
	case failure.IsRefused(err):
		return "credential"
	case failure.Class(err) == "destination":
		return "destination"
	case onlyPermanent(err):
		return "rejected"
	}
	return "retry"
}

func onlyPermanent(err error) bool {
	var list sink.BatchError
	return sink.IsPermanent(err) || errors.As(err, &list) && !slices.ContainsFunc(list, func(e sink.RecordError) bool { return !sink.IsPermanent(e.Err) })
}

// What every status means for an event that is alone, by default and after the lists were
// changed.
func TestStatuses(t *testing.T) {
	changed := func(s *httpsink.Settings) {
		s.Accept, s.Reject, s.Split = []httpsink.Status{200, 4}, []httpsink.Status{409}, nil
		s.Retry, s.Statuses.Destination = []httpsink.Status{401, 2}, []httpsink.Status{403, 503, 400}
	}
	tests := []struct {
		status        int
		want, changed string
	}{
		{200, "delivered", "delivered"}, {202, "delivered", "retry"}, {204, "delivered", "retry"}, {301, "destination", "destination"},
		{307, "destination", "destination"}, {400, "rejected", "destination"}, {401, "credential", "retry"}, {403, "credential", "credential"},
		{404, "destination", "delivered"}, {405, "destination", "delivered"}, {408, "retry", "delivered"}, {409, "retry", "rejected"},
		{410, "destination", "delivered"}, {413, "rejected", "delivered"}, {415, "destination", "delivered"}, {422, "rejected", "delivered"},
		{425, "retry", "delivered"}, {429, "retry", "delivered"}, {431, "destination", "delivered"}, {500, "retry", "destination"},
		{501, "retry", "destination"}, {502, "retry", "destination"}, {503, "retry", "destination"}, {504, "retry", "destination"}, {599, "retry", "destination"},
	}
	status := 0
	answer := func(collectortest.Request) collectortest.Fault {
		return collectortest.Fault{Answer: &collectortest.Answer{Status: status, Location: "http://other.example.com/"}}
	}
	bubble(t, collectortest.Config{Script: answer}, func(t *testing.T, r *rig) {
		usual := r.open(t)
		changed(&r.settings)
		other := r.open(t)
		for _, test := range tests {
			status = test.status
			for want, snk := range map[string]sink.Sink{test.want + ".": usual, test.changed: other} {
				want = strings.TrimSuffix(want, ".")
				if err := snk.Publish(t.Context(), batch(1)); kindOf(err) != want {
					t.Errorf("status %d: %s, want %s: %v", status, kindOf(err), want, err)
				}
			}
		}
	})
}

// A server that asks to wait is waited for.
func TestRetryAfter(t *testing.T) {
	bubble(t, collectortest.Config{Script: func(collectortest.Request) collectortest.Fault { return trouble(9) }}, func(t *testing.T, r *rig) {
		err := r.open(t).Publish(t.Context(), batch(1))
		if got := failure.RetryAfter(err); got != 7*time.Second {
			t.Errorf("%s: %v", got, err)
		}
	})
}

// With concurrency: 1 the events arrive in their order.
func TestOrder(t *testing.T) {
	bubble(t, collectortest.Config{Refuse: isBad, Script: func(q collectortest.Request) collectortest.Fault {
		return collectortest.Fault{Delay: time.Duration(20-q.Number) * time.Millisecond}
	}}, func(t *testing.T, r *rig) {
		r.settings.Concurrency, r.settings.MaxRequestEvents = 1, 7
		if _, err := settle(t.Context(), r.open(t), batch(100, 8, 50)); err != nil {
			t.Fatal(err)
		}
		var got []int
		for _, e := range r.Events() {
			got = append(got, number(t, e))
		}
		if !slices.IsSorted(got) || len(got) != 98 {
			t.Errorf("got %v", got)
		}
	})
}

// A server that does not answer ends neither the Publish nor Close.
func TestAHangingServer(t *testing.T) {
	bubble(t, collectortest.Config{Script: func(collectortest.Request) collectortest.Fault { return trouble(2) }}, func(t *testing.T, r *rig) {
		began := time.Now()
		if err := r.open(t).Publish(t.Context(), batch(1)); kindOf(err) != "retry" || time.Since(began) != 30*time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		if err := r.open(t).Publish(ctx, batch(1)); err == nil || time.Since(began) != time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}

// No redirect is followed, whatever the method: it would carry the secrets elsewhere.
func TestRedirects(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		bubble(t, collectortest.Config{Script: func(collectortest.Request) collectortest.Fault {
			return collectortest.Fault{Answer: &collectortest.Answer{Status: status, Location: origin + "/elsewhere"}}
		}}, func(t *testing.T, r *rig) {
			err := r.open(t).Publish(t.Context(), batch(1))
			if sink.IsPermanent(err) || kindOf(err) != "destination" || !strings.Contains(failure.Hint(err), "redirects are not followed") || len(r.Requests()) != 1 {
				t.Errorf("%d: %v (%s)", status, err, failure.Hint(err))
			}
		})
	}
}

// What is another request has another key: a server refuses one that comes with another body.
func TestIdempotencyKeyOfAnotherRequest(t *testing.T) {
	bubble(t, collectortest.Config{}, func(t *testing.T, r *rig) {
		ndjson := r.open(t)
		r.settings.Body = "json_array"
		array := r.open(t)
		same, other := batch(1), batch(1)
		other[0].Body = []byte(`{"n":0,"organization":"globex"}`)
		for _, p := range []struct {
			to      sink.Sink
			records []sink.Record
		}{{ndjson, same}, {ndjson, other}, {array, same}, {ndjson, same}} {
			if err := p.to.Publish(t.Context(), p.records); err != nil {
				t.Fatal(err)
			}
		}
		var keys []string
		for _, post := range r.Requests() {
			keys = append(keys, post.Header.Get("Idempotency-Key"))
		}
		slices.Sort(keys)
		if n := len(slices.Compact(keys)); n != 3 {
			t.Errorf("4 requests, of which two are the same, have %d keys", n)
		}
	})
}

// net/http would send a request with the header Idempotency-Key again by itself after a kept
// connection ended.
func TestNothingIsSentAgainWithinAPublish(t *testing.T) {
	var posts atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if posts.Add(1) > 1 {
			panic(http.ErrAbortHandler)
		}
	}))
	defer server.Close()
	snk := openAt(t, defaults(server.URL+"/x"))
	if err := snk.Publish(t.Context(), batch(1)); err != nil {
		t.Fatal(err)
	}
	if err := snk.Publish(t.Context(), batch(1)); err == nil || posts.Load() != 2 {
		t.Errorf("%d requests of two Publish: %v", posts.Load(), err)
	}
}

// An answer of a port that expects TLS, or a certificate, is not about records, although its
// status is one of reject_status.
func TestAnswerOfAnotherThanTheServerRejectsNothing(t *testing.T) {
	says := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, text)
		})
	}
	wantsTLS := httptest.NewServer(says("Client sent an HTTP request to an HTTPS server.\n"))
	defer wantsTLS.Close()
	wantsCertificate := httptest.NewTLSServer(says("<html><head><title>400 No required SSL certificate was sent</title></head></html>"))
	defer wantsCertificate.Close()
	trusting := defaults(wantsCertificate.URL + "/x")
	trusting.TLS.InsecureSkipVerify = true
	for _, tt := range []struct {
		settings   httpsink.Settings
		said, hint string
	}{
		{defaults(wantsTLS.URL + "/x"), "400 Bad Request: Client sent an HTTP request to an HTTPS server", "the port uses TLS: write https:// in url"},
		{trusting, "400 Bad Request: HTML: 400 No required SSL certificate was sent", "demands a client certificate"},
	} {
		for _, n := range []int{1, 200} {
			err := openAt(t, tt.settings).Publish(t.Context(), batch(n))
			if sink.IsPermanent(err) || kindOf(err) != "destination" || !strings.Contains(err.Error(), tt.said) || !strings.Contains(failure.Hint(err), tt.hint) {
				t.Errorf("%d records: got %v with the hint %q, want %q with %q", n, err, failure.Hint(err), tt.said, tt.hint)
			}
		}
	}
}
