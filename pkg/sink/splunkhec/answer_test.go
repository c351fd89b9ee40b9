package splunkhec_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/splunkhec/hectest"
)

// Every status and code of HEC, and codes of gRPC's gateways, which have HEC's numbers with
// other meanings and other statuses. With each the outcome of a Publish of one record.
func TestAnswers(t *testing.T) {
	const (
		delivered   = "delivered"
		retry       = "retry"
		destination = "destination"
		record      = "record"
	)
	html := func(status int) hectest.Answer { return hectest.Answer{Status: status, HTML: true} }
	code := func(status, code int) hectest.Answer { return hectest.Answer{Status: status, Code: code} }
	tests := []struct {
		answer hectest.Answer
		want   string
		hint   string
	}{
		{code(200, 0), delivered, ""},
		{code(403, 1), destination, "enable the token"},
		{code(401, 2), destination, "make sure that token belongs to"},
		{code(401, 3), destination, "make sure that token belongs to"},
		{code(403, 4), destination, "make sure that token belongs to"},
		{code(400, 5), retry, ""},
		{code(400, 6), record, ""},
		{code(400, 7), destination, "index security does not exist, or the token may not write to it"},
		{code(500, 8), retry, ""},
		{code(503, 9), retry, ""},
		{code(400, 10), destination, "set ack: auto"},
		{code(400, 11), destination, "set ack: auto"},
		{code(400, 12), record, ""},
		{code(400, 13), record, ""},
		{code(400, 14), destination, "turn indexer acknowledgement on"},
		{code(400, 15), record, ""},
		{code(400, 16), destination, "make sure that token belongs to"},
		{code(503, 18), retry, ""},
		{code(503, 19), retry, ""},
		{code(503, 20), retry, ""},
		{code(400, 21), destination, "make sure that token belongs to"},
		{code(400, 22), destination, "enable the token"},
		{code(503, 23), retry, ""},
		{code(200, 24), delivered, ""},
		{code(200, 25), delivered, ""},
		{code(429, 26), retry, ""},
		{code(429, 27), retry, ""},

		{code(400, 99), destination, "make sure that url is"},
		{code(503, 99), retry, ""},
		{code(200, 99), retry, "is not HTTP Event Collector"},
		{code(200, 8), retry, "is not HTTP Event Collector"},
		{code(200, 4), retry, "is not HTTP Event Collector"},
		{code(200, 17), retry, "is not HTTP Event Collector"},
		{code(503, 0), retry, ""},
		{code(400, 0), destination, "make sure that url is"},
		{hectest.Answer{Status: 200, Raw: "{}"}, retry, "is not HTTP Event Collector"},
		{hectest.Answer{Status: 200, Raw: `{"text":"Success"}`}, retry, "is not HTTP Event Collector"},
		{hectest.Answer{Status: 200, Raw: `{"text":"Success","code":0`}, retry, "is not HTTP Event Collector"},
		{hectest.Answer{Status: 200, Raw: `{"text":"Success","code":"0"}`}, retry, "is not HTTP Event Collector"},
		{hectest.Answer{Status: 200, Raw: `{"message":"busy","code":"unavailable"}`}, retry, "is not HTTP Event Collector"},
		{hectest.Answer{Status: 200, Raw: `{"text":"Success","code":0.5}`}, retry, "is not HTTP Event Collector"},
		{hectest.Answer{Status: 200, Raw: `{"text":"Success","code":0,"ackId":"7"}`}, retry, "is not HTTP Event Collector"},
		{hectest.Answer{Status: 404, Raw: `{"message":"no such page","code":"not_found"}`}, destination, "make sure that url is"},
		{hectest.Answer{Status: 500, Raw: `{"code":13,"message":"internal error","details":[]}`}, retry, ""},
		{hectest.Answer{Status: 501, Raw: `{"code":12,"message":"Method Not Allowed","details":[]}`}, retry, ""},
		{hectest.Answer{Status: 502, Raw: `{"code":15,"message":"data loss"}`}, retry, ""},
		{hectest.Answer{Status: 503, Raw: `{"code":6,"message":"again"}`}, retry, ""},
		{hectest.Answer{Status: 504, Raw: `{"code":4,"message":"deadline exceeded"}`}, retry, ""},
		{hectest.Answer{Status: 429, Raw: `{"code":8,"message":"quota"}`}, retry, ""},
		{hectest.Answer{Status: 401, Raw: `{"code":12,"message":"x"}`}, destination, "make sure that token belongs to"},
		{hectest.Answer{Status: 403, Raw: `{"code":7,"message":"denied"}`}, destination, "make sure that token belongs to"},
		{hectest.Answer{Status: 404, Raw: `{"code":5,"message":"Not Found","details":[]}`}, destination, "make sure that url is"},
		{html(200), retry, "is not HTTP Event Collector"},
		{html(301), destination, "redirects are not followed"},
		{html(302), destination, "redirects are not followed"},
		{html(307), destination, "redirects are not followed"},
		{html(400), destination, "make sure that url is"},
		{html(401), destination, "make sure that token belongs to"},
		{html(403), destination, "make sure that token belongs to"},
		{html(404), destination, "make sure that url is"},
		{html(405), destination, "make sure that url is"},
		{html(408), retry, ""},
		{html(413), record, ""},
		{html(415), destination, "set compression: none"},
		{html(429), retry, ""},
		{html(500), retry, ""},
		{html(502), retry, ""},
		{html(503), retry, ""},
		{html(504), retry, ""},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%d %d %v %s", test.answer.Status, test.answer.Code, test.answer.HTML, test.answer.Raw), func(t *testing.T) {
			for _, retryAfter := range []int{0, 50} {
				test.answer.RetryAfter = retryAfter
				bubble(t, hectest.Config{Script: only(hectest.Fault{Answer: &test.answer}, 1)}, func(t *testing.T, r *rig) {
					r.settings.Index = "security"
					err := r.publish(t, batch(1))
					if got := kindOf(err); got != test.want {
						t.Fatalf("got %s, want %s: %v", got, test.want, err)
					}
					if got := failure.Hint(err); test.hint == "" && got != "" || !strings.Contains(got, test.hint) {
						t.Errorf("hint %q, want %q", got, test.hint)
					}
					wantFloor(t, err, test.want == destination, retryAfter)
				})
			}
		})
	}
}

func wantFloor(t *testing.T, err error, slow bool, retryAfter int) {
	t.Helper()
	want := time.Duration(retryAfter) * time.Second
	if slow {
		want = 30 * time.Second
	}
	if got := failure.RetryAfter(err); err != nil && !sink.IsPermanent(err) && got != want {
		t.Errorf("the next attempt is at least %s later, want %s", got, want)
	}
}

// kindOf names the kind of an error, as a lane sees it.
func kindOf(err error) string {
	switch {
	case err == nil:
		return "delivered"
	case sink.IsPermanent(err):
		return "record"
	case failure.Class(err) == "destination":
		return "destination"
	}
	return "retry"
}

func TestNobodyAnswers(t *testing.T) {
	faults := map[string]hectest.Fault{
		"a connection is reset":                               {Reset: true},
		"a connection is reset after the events were indexed": {Reset: true, Handled: true},
		"no answer comes":                                     {Hang: true},
		"no answer comes after the events were indexed":       {Hang: true, Handled: true},
		"an answer comes too late":                            {Delay: time.Hour},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			bubble(t, hectest.Config{Script: only(fault, 1)}, func(t *testing.T, r *rig) {
				snk, began := r.open(t), time.Now()
				err := snk.Publish(t.Context(), batch(3))
				if kindOf(err) != "retry" || len(outcome(3, err)) != 3 {
					t.Errorf("got %v, want all to be sent again", err)
				}
				if took := time.Since(began); took > time.Minute {
					t.Errorf("it took %s", took)
				}
				if err := snk.Publish(t.Context(), batch(3)); err != nil {
					t.Errorf("the next Publish: %v", err)
				}
			})
		})
	}
}

// Text from a server can neither drive a terminal nor show the token.
func TestWhatAnswersShow(t *testing.T) {
	for _, a := range []hectest.Answer{
		{Status: 403, Code: 4, Text: "no \x1b[2J " + token + "\n"},
		{Status: 403, Raw: "no \x1b[2J " + token + "\n"},
	} {
		bubble(t, hectest.Config{Script: only(hectest.Fault{Answer: &a}, 1)}, func(t *testing.T, r *rig) {
			text := r.publish(t, batch(1)).Error()
			if strings.Contains(text, token) || strings.ContainsAny(text, "\x1b\n") || !strings.Contains(text, "no") {
				t.Errorf("got %q", text)
			}
		})
	}
}

// An answer that asks to slow down causes a pause, and the events are delivered.
func TestApproachingCapacity(t *testing.T) {
	bubble(t, hectest.Config{Script: func(q hectest.Request) hectest.Fault {
		return hectest.Fault{Answer: &hectest.Answer{Status: 200, Code: 24}, Handled: true}
	}}, func(t *testing.T, r *rig) {
		r.settings.MaxRequestEvents = 1
		began := time.Now()
		if err := r.publish(t, batch(17)); err != nil {
			t.Fatal(err)
		}
		// The first goes alone, the others eight at a time.
		if got, want := time.Since(began), 3*time.Second; got != want {
			t.Errorf("17 requests took %s, want %s", got, want)
		}
	})
}
