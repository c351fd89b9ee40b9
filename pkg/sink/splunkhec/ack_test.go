package splunkhec_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/splunkhec"
	"github.com/sluice-siem/sluice/pkg/sink/splunkhec/hectest"
)

func TestAcknowledgementIsWaitedFor(t *testing.T) {
	const delay = 10 * time.Second
	bubble(t, hectest.Config{Ack: true, AckDelay: delay}, func(t *testing.T, r *rig) {
		began := time.Now()
		if err := r.publish(t, batch(24_000)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < delay || took > delay+time.Second {
			t.Errorf("24,000 events took %s, want 10 s to 11 s", took)
		}
		if got := len(r.Events()); got != 24_000 {
			t.Errorf("%d events are indexed", got)
		}
		channels := map[string]int{}
		for _, q := range r.Requests() {
			channels[q.Channel]++
		}
		if len(channels) != 48 {
			t.Errorf("want a channel for each of 48 requests, got %d", len(channels))
		}
		// Each of 48 gets its true, and in each round 8 goroutines stop at a false.
		if polls := len(r.Requests()) - 48; polls > 48+15*8 {
			t.Errorf("%d questions in 10 s", polls)
		}
	})
}

func TestSettingOfAcknowledgement(t *testing.T) {
	tests := []struct {
		ack    string
		server bool
		want   string // kindOf
		hint   string
		index  int
		log    int // lines
	}{
		{"auto", true, "delivered", "", 6, 0},
		{"auto", false, "delivered", "", 6, 1},
		{"required", true, "delivered", "", 6, 0},
		{"required", false, "destination", "turn indexer acknowledgement on", 0, 0},
		{"off", false, "delivered", "", 6, 0},
		{"off", true, "destination", "set ack: auto or ack: required", 0, 0},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%s, and the token has it: %v", test.ack, test.server), func(t *testing.T) {
			bubble(t, hectest.Config{Ack: test.server, AckDelay: time.Minute}, func(t *testing.T, r *rig) {
				r.settings.Ack = test.ack
				snk := r.open(t)
				for i := range 2 {
					err := snk.Publish(t.Context(), batch(3))
					if got := kindOf(err); got != test.want {
						t.Fatalf("Publish %d: got %s, want %s: %v", i, got, test.want, err)
					}
					if got := failure.Hint(err); !strings.Contains(got, test.hint) {
						t.Errorf("hint %q, want %q", got, test.hint)
					}
				}
				if got := len(r.Events()); got != test.index {
					t.Errorf("%d events are indexed, want %d", got, test.index)
				}
				if got := strings.Count(r.log.String(), "no indexer acknowledgement"); got != test.log {
					t.Errorf("logged %d times, want %d: %s", got, test.log, &r.log)
				}
			})
		})
	}
}

// With acknowledgement, an answer without an ack id proves nothing.
func TestAckIDIsMissing(t *testing.T) {
	fault := hectest.Fault{Answer: &hectest.Answer{Status: 200}}
	bubble(t, hectest.Config{Ack: true, Script: only(fault, 1)}, func(t *testing.T, r *rig) {
		r.settings.Ack = "required"
		snk := r.open(t)
		err := snk.Publish(t.Context(), batch(3))
		if kindOf(err) != "destination" || !strings.Contains(failure.Hint(err), "turn indexer acknowledgement on") {
			t.Errorf("got %v, want an error of the destination", err)
		}
		if err := snk.Publish(t.Context(), batch(3)); err != nil {
			t.Error(err)
		}
	})
}

// The token has acknowledgement, and one success comes without an ack id, from a gateway.
// Its events are published again, and acknowledgement stays in effect.
func TestOneSuccessWithoutAckID(t *testing.T) {
	fault := hectest.Fault{Answer: &hectest.Answer{Status: 200, Raw: `{"code":0,"msg":"ok"}`}}
	for name, query := range map[string]*hectest.Answer{
		"the token has acknowledgement":      nil,
		"the query fails":                    {Status: 502, HTML: true},
		"the gateway answers the query too":  {Status: 200, Raw: `{"code":0,"msg":"ok"}`},
		"the query is not found":             {Status: 404, HTML: true},
		"the query is taken for an event":    {Status: 400, Code: 12},
		"the gateway has HEC's number of it": {Status: 503, Raw: `{"code":14,"message":"unavailable"}`},
	} {
		t.Run(name, func(t *testing.T) {
			again := only(fault, 2)
			bubble(t, hectest.Config{Ack: true}, func(t *testing.T, r *rig) {
				snk := r.open(t)
				for i, want := range []string{"delivered", "retry", "delivered"} {
					r.SetScript(func(q hectest.Request) hectest.Fault {
						if q.Path == hectest.PathAck && i == 1 {
							return hectest.Fault{Answer: query}
						}
						return again(q)
					})
					if err := snk.Publish(t.Context(), batch(3)); kindOf(err) != want || len(outcome(3, err)) != map[string]int{"retry": 3}[want] {
						t.Errorf("Publish %d: got %v, want %s", i+1, err, want)
					}
				}
				if got := len(r.Events()); got != 6 || strings.Contains(r.log.String(), "no indexer acknowledgement") {
					t.Errorf("%d events are indexed, want 6; log: %s", got, &r.log)
				}
			})
		})
	}
}

// The acknowledgement of a token is switched off while sluice runs. Splunk says so when it is
// asked, and events count as delivered without it.
func TestAcknowledgementIsSwitchedOff(t *testing.T) {
	bubble(t, hectest.Config{Ack: true}, func(t *testing.T, r *rig) {
		snk := r.open(t)
		for i, on := range []bool{true, false, false, true} {
			r.SetAck(on)
			if err := snk.Publish(t.Context(), batch(3)); err != nil {
				t.Errorf("Publish %d: %v", i+1, err)
			}
		}
		if got := len(r.Events()); got != 12 || strings.Count(r.log.String(), "no indexer acknowledgement") != 1 {
			t.Errorf("%d events are indexed, want 12; log: %s", got, &r.log)
		}
	})
}

// A receiver is busy half way, and a gateway fails the query about acknowledgement. That is
// no proof that the token has none, so nothing counts as delivered.
func TestAckQueryThatAGatewayAnswers(t *testing.T) {
	half, n := 2, 0
	script := func(q hectest.Request) hectest.Fault {
		if q.Path == hectest.PathAck {
			return hectest.Fault{Answer: &hectest.Answer{Status: 503, Raw: `{"code":14,"message":"upstream connect error","details":[]}`}}
		}
		if n++; n == 1 {
			return hectest.Fault{Answer: &hectest.Answer{Status: 503, Code: 9, Number: &half}}
		}
		return hectest.Fault{}
	}
	bubble(t, hectest.Config{Ack: true, Script: script}, func(t *testing.T, r *rig) {
		snk := r.open(t)
		err := snk.Publish(t.Context(), batch(3))
		if got := outcome(3, err); kindOf(err) != "retry" || len(got) != 3 {
			t.Errorf("got %v, %v, want all records to be published again", got, err)
		}
		r.SetScript(nil)
		if err := snk.Publish(t.Context(), batch(3)); err != nil || strings.Contains(r.log.String(), "no indexer acknowledgement") {
			t.Errorf("the next Publish: %v, log %s", err, &r.log)
		}
	})
}

// Whatever is wrong with an acknowledgement, no event counts as delivered that is not
// indexed, and the next Publish delivers the rest.
func TestAcknowledgementFails(t *testing.T) {
	ackFault := func(fault hectest.Fault, from, to int) func(hectest.Request) hectest.Fault {
		n := 0
		return func(q hectest.Request) hectest.Fault {
			if q.Path != hectest.PathAck {
				return hectest.Fault{}
			}
			if n++; n >= from && n <= to {
				return fault
			}
			return hectest.Fault{}
		}
	}
	const ever = 1 << 30
	answer := func(status, code int) *hectest.Answer { return &hectest.Answer{Status: status, Code: code} }
	tests := []struct {
		name   string
		script func(hectest.Request) hectest.Fault
		want   string // kindOf
		text   string
		most   time.Duration
	}{
		{"never", only(hectest.Fault{Forget: true}, 1), "retry", "no acknowledgement after 5m0s for 1 requests", 6 * time.Minute},
		{"the answer to the question is lost", ackFault(hectest.Fault{Handled: true, Reset: true}, 2, 9), "retry", "no acknowledgement after 5m0s", 6 * time.Minute},
		{"for a moment nobody answers", ackFault(hectest.Fault{Reset: true}, 1, 9), "delivered", "", time.Minute},
		{"for a moment the server is busy", ackFault(hectest.Fault{Answer: answer(503, 9)}, 1, 9), "delivered", "", time.Minute},
		{"the service is gone", ackFault(hectest.Fault{Answer: answer(503, 19)}, 1, ever), "retry", "ack service unavailable", 6 * time.Minute},
		{"a page in place of an answer", ackFault(hectest.Fault{Answer: &hectest.Answer{Status: 200, HTML: true}}, 1, ever), "retry", "no acknowledgement", 6 * time.Minute},
		{"an answer that is cut", ackFault(hectest.Fault{Answer: &hectest.Answer{Status: 200, Raw: `{"acks":{"0":tru`}}, 1, ever), "retry", "no acknowledgement", 6 * time.Minute},
		{"of nothing", ackFault(hectest.Fault{Answer: &hectest.Answer{Status: 200, Raw: `{"acks":{}}`}}, 1, ever), "retry", "no acknowledgement", 6 * time.Minute},
		{"not found", ackFault(hectest.Fault{Answer: &hectest.Answer{Status: 404, HTML: true}}, 1, 1), "destination", "404", time.Minute},
		{"switched off", ackFault(hectest.Fault{Answer: answer(400, 14)}, 1, 1), "destination", "ACK is disabled", time.Minute},
		{"the token was revoked", ackFault(hectest.Fault{Answer: answer(403, 4)}, 1, 1), "destination", "Invalid token", time.Minute},
		{"another indexer answers, and says so", ackFault(hectest.Fault{Move: true}, 2, 2), "retry", "another indexer answered", time.Minute},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, hectest.Config{Ack: true, AckDelay: 3 * time.Second, Strict: true, Script: test.script}, func(t *testing.T, r *rig) {
				snk, began, records := r.open(t), time.Now(), batch(3)
				err := snk.Publish(t.Context(), records)
				if got := kindOf(err); got != test.want {
					t.Fatalf("got %s, want %s: %v", got, test.want, err)
				}
				if err != nil && !strings.Contains(err.Error(), test.text) {
					t.Errorf("got %v, want %q", err, test.text)
				}
				if took := time.Since(began); took > test.most {
					t.Errorf("it took %s, want at most %s", took, test.most)
				}
				if err != nil {
					if diff := cmp.Diff(map[int]string{0: "again", 1: "again", 2: "again"}, outcome(3, err)); diff != "" {
						t.Errorf("outcome (-want +got):\n%s", diff)
					}
					first := r.Requests()
					if len(first) == 0 {
						t.Fatal("nothing was sent")
					}
					r.SetScript(nil)
					if err := snk.Publish(t.Context(), records); err != nil {
						t.Errorf("the next Publish: %v", err)
					}
					all := r.Requests()
					if len(all) == len(first) {
						t.Fatal("the next Publish sent nothing")
					}
					if all[len(all)-1].Channel == first[0].Channel {
						t.Error("the channel is the same: what is asked for may have been given for something else")
					}
				}
				wantIndexed(t, r, records)
			})
		})
	}
}

// A load balancer moves to another indexer in the middle of a batch. Acknowledged
// events are delivered; events that the new indexer does not know are not. The sink
// notices at once if the new indexer refuses an unknown channel, and after
// ack_timeout if it answers false.
func TestSessionMoves(t *testing.T) {
	for _, test := range []struct {
		strict bool
		text   string
		most   time.Duration
	}{
		{true, "another indexer answered", time.Minute},
		{false, "no acknowledgement after 5m0s", 6 * time.Minute},
	} {
		t.Run(test.text, func(t *testing.T) {
			bubble(t, hectest.Config{Ack: true, Sticky: true, Strict: test.strict, AckDelay: time.Second, Script: only(hectest.Fault{Move: true}, 30)},
				func(t *testing.T, r *rig) {
					records := batch(24_000)
					snk, began := r.open(t), time.Now()
					err := snk.Publish(t.Context(), records)
					said := outcome(len(records), err)
					if len(said) < 500 || len(said) == len(records) || err == nil || !strings.Contains(err.Error(), test.text) {
						t.Errorf("%d of %d records must be sent again: %v", len(said), len(records), err)
					}
					if took := time.Since(began); took > test.most {
						t.Errorf("it took %s, want at most %s", took, test.most)
					}
					times := r.indexed()
					for i := range records {
						if said[i] == "" && times[records[i].ID] == 0 {
							t.Errorf("record %d counts as delivered, and is not indexed", i)
							break
						}
					}
					if _, err := settle(t.Context(), snk, records); err != nil {
						t.Error(err)
					}
					wantIndexed(t, r, records)
				})
		})
	}
}

// Whatever a load balancer or a firewall does with cookies: as long as
// acknowledgements come, every event is confirmed at its first attempt.
func TestBalancers(t *testing.T) {
	for name, c := range map[string]hectest.Config{
		"none":                            {},
		"a cookie that stays":             {Sticky: true, Scatter: 3},
		"a cookie renewed in each answer": {Sticky: true, Scatter: 3, Renew: true},
		"a firewall's cookies":            {Sticky: true, Scatter: 3, Firewall: true},
		"both":                            {Sticky: true, Scatter: 3, Renew: true, Firewall: true},
		"no cookie":                       {Scatter: 3},
	} {
		t.Run(name, func(t *testing.T) {
			c.Ack, c.AckDelay = true, 2*time.Second
			bubble(t, c, func(t *testing.T, r *rig) {
				r.settings.MaxRequestEvents = 100
				snk, records := r.open(t), batch(3000)
				for first := 0; first < len(records); first += 1000 {
					if err := snk.Publish(t.Context(), records[first:first+1000]); err != nil {
						t.Errorf("Publish from %d on: %v", first, err)
					}
				}
				for id, times := range r.indexed() {
					if times != 1 {
						t.Errorf("%s is indexed %d times", id, times)
						break
					}
				}
				wantIndexed(t, r, records)
				for i, q := range r.Requests() {
					sent := q.Header.Get("Cookie")
					if got := strings.Contains(sent, "hec-indexer="); got != (c.Sticky && i > 0) {
						t.Errorf("request %d carries the balancer's cookie: %v", i, got)
						break
					}
					if n := strings.Count(sent, "="); n > 50 || len(sent) > 7<<10 {
						t.Errorf("request %d carries %d cookies of %d bytes", i, n, len(sent))
						break
					}
				}
			})
		})
	}
}

// A request that was taken but answered with 504 has an ack id that the sink does not
// know. Another indexer gives the same id to a request that it then loses. A true for
// that id is not about the lost request.
func TestAckIDOfAnotherRequest(t *testing.T) {
	posts := 0
	script := func(q hectest.Request) hectest.Fault {
		if q.Path != hectest.PathEvent {
			return hectest.Fault{}
		}
		switch posts++; posts {
		case 1:
			return hectest.Fault{Forget: true} // with ack id 0 of one indexer
		case 2:
			return hectest.Fault{Handled: true, Answer: &hectest.Answer{Status: 504, HTML: true}} // with id 0 of the other
		}
		return hectest.Fault{}
	}
	bubble(t, hectest.Config{Ack: true, Scatter: 2, AckDelay: 2 * time.Second, Script: script}, func(t *testing.T, r *rig) {
		r.settings.MaxRequestEvents = 10
		snk, records := r.open(t), batch(20)
		err := snk.Publish(t.Context(), records)
		said, times := outcome(len(records), err), r.indexed()
		for i := range records {
			if said[i] == "" && times[records[i].ID] == 0 {
				t.Errorf("record %d counts as delivered, and is not indexed: %v", i, err)
				break
			}
		}
		if _, err := settle(t.Context(), snk, records); err != nil {
			t.Error(err)
		}
		wantIndexed(t, r, records)
	})
}

// Also without sticky sessions, no indexer confirms an event that another one lost,
// and no confirmed event is sent again.
func TestAckIDsOfTwoIndexers(t *testing.T) {
	bubble(t, hectest.Config{Ack: true, Scatter: 2, AckDelay: 2 * time.Second, Script: only(hectest.Fault{Forget: true}, 4)},
		func(t *testing.T, r *rig) {
			r.settings.MaxRequestEvents = 10
			records := batch(110)
			err := r.publish(t, records)
			if kindOf(err) != "retry" || !strings.Contains(failure.Hint(err), "cookie") {
				t.Errorf("got %v, want a hint at the load balancer: %s", err, failure.Hint(err))
			}
			if got := len(outcome(110, err)); got != 10 {
				t.Errorf("%d records must be sent again, want the 10 that were lost", got)
			}
		})
}

// Channels are reused, so that Splunk does not keep one for each request.
func TestChannelsAreReused(t *testing.T) {
	for _, ack := range []bool{true, false} {
		t.Run(fmt.Sprint("acknowledgement ", ack), func(t *testing.T) {
			bubble(t, hectest.Config{Ack: ack, AckDelay: time.Second}, func(t *testing.T, r *rig) {
				snk := r.open(t)
				for range 20 {
					if err := snk.Publish(t.Context(), batch(3)); err != nil {
						t.Fatal(err)
					}
				}
				channels := map[string]bool{}
				for _, q := range r.Requests() {
					channels[q.Channel] = true
				}
				if len(channels) != 1 {
					t.Errorf("%d channels for 20 requests one after the other, want 1", len(channels))
				}
			})
		})
	}
}

// An indexer takes events but indexes none, and a cookie leads the sink to it. After
// ack_timeout the balancer chooses an indexer again.
func TestSilentIndexerIsLeft(t *testing.T) {
	bubble(t, hectest.Config{Ack: true, Scatter: 2, Sticky: true, Script: func(q hectest.Request) hectest.Fault {
		return hectest.Fault{Forget: strings.Contains(q.Header.Get("Cookie"), "hec-indexer=1.") || q.Number == 1}
	}}, func(t *testing.T, r *rig) {
		snk, records := r.open(t), batch(3)
		if err := snk.Publish(t.Context(), records); kindOf(err) != "retry" {
			t.Errorf("got %v, want all to be sent again", err)
		}
		n := len(r.Requests())
		if _, err := settle(t.Context(), snk, records); err != nil {
			t.Error(err)
		}
		wantIndexed(t, r, records)
		if got := r.Requests()[n].Header.Get("Cookie"); got != "" {
			t.Errorf("the first request after the time-out carries %q", got)
		}
	})
}

// The context ends before all acknowledgements are there: acknowledged events are
// delivered.
func TestContextEndsBeforeAcknowledgement(t *testing.T) {
	bubble(t, hectest.Config{Ack: true, AckDelay: 5 * time.Second}, func(t *testing.T, r *rig) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		err := r.open(t).Publish(ctx, batch(3))
		if kindOf(err) != "retry" || len(outcome(3, err)) != 3 {
			t.Errorf("got %v, want all to be sent again", err)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

// Close ends a Publish although its context has not ended, whatever it waits for.
func TestCloseEndsAPublish(t *testing.T) {
	for name, c := range map[string]hectest.Config{
		"an answer":           {Script: only(hectest.Fault{Hang: true}, 1)},
		"an acknowledgement":  {Ack: true, AckDelay: time.Hour},
		"a request for later": {Script: only(hectest.Fault{Delay: 20 * time.Second}, 1)},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, c, func(t *testing.T, r *rig) {
				snk, err := splunkhec.OpenOver(r.transport, sink.Env{Log: zerolog.Nop()}, r.settings)
				if err != nil {
					t.Fatal(err)
				}
				published := make(chan error, 1)
				go func() { published <- snk.Publish(t.Context(), batch(1000)) }()
				time.Sleep(5 * time.Second)
				closed := time.Now()
				if err := snk.Close(); err != nil {
					t.Error(err)
				}
				if err := <-published; kindOf(err) != "retry" {
					t.Errorf("got %v, want all to be sent again", err)
				}
				if took := time.Since(closed); took > time.Second {
					t.Errorf("Publish returned %s after Close", took)
				}
				if err := snk.Publish(t.Context(), batch(1)); kindOf(err) != "retry" {
					t.Errorf("after Close: %v", err)
				}
			})
		})
	}
}
