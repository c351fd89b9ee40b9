package syslog_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/syslog"
	"github.com/sluice-siem/sluice/pkg/sink/syslog/relp"
	"github.com/sluice-siem/sluice/pkg/sink/syslog/relp/relptest"
)

// lane publishes as a lane does.
type lane struct {
	snk      sink.Sink
	attempts int           // at most, for a batch
	timeout  time.Duration // of a Publish
	pause    bool          // backs off between attempts
	rejects  []string      // bodies
	wrong    []string      // what a sink must not return
	last     error
}

// deliver reports whether every record was delivered or rejected.
func (l *lane) deliver(records []sink.Record) bool {
	wait := time.Second
	for range l.attempts {
		ctx, cancel := context.WithTimeout(context.Background(), l.timeout)
		err := l.snk.Publish(ctx, records)
		cancel()
		if err == nil {
			return true
		}
		l.last = err
		before := len(records)
		if records = l.answer(records, err); len(records) == 0 {
			return true
		}
		if l.pause {
			if len(records) < before {
				wait = time.Second
			}
			time.Sleep(rand.N(wait) + wait/2)
			wait = min(2*wait, time.Minute)
		}
	}
	return false
}

// answer returns the records that must be published again.
func (l *lane) answer(records []sink.Record, err error) (keep []sink.Record) {
	var named sink.BatchError
	if !errors.As(err, &named) {
		if sink.IsPermanent(err) {
			l.wrong = append(l.wrong, fmt.Sprintf("a permanent error that names no record: %v", err))
		}
		return records
	}
	for _, fault := range named {
		switch {
		case fault.Err == nil:
			l.wrong = append(l.wrong, fmt.Sprintf("record %d is named without a reason", fault.Index))
		case sink.IsPermanent(fault.Err):
			l.rejects = append(l.rejects, string(records[fault.Index].Body))
		default:
			keep = append(keep, records[fault.Index])
		}
	}
	return keep
}

// picky is a receiver that ends the connection over some messages.
type picky struct {
	snk    sink.Sink
	bodies func() []string
}

// overRELP returns a receiver that answers the messages before the bad one, or loses
// these answers.
func overRELP(t *testing.T, fault relptest.Fault, bad func(string) bool) picky {
	server := relptest.New(t)
	server.Script = func(c relptest.Command) relptest.Fault {
		if c.Name == "syslog" && bad(c.Message[strings.Index(c.Message, "{"):]) {
			return fault
		}
		return relptest.Fault{}
	}
	s := settings(t, "relp://"+server.Listen())
	return picky{open(t, s), func() (bodies []string) {
		for _, m := range server.Messages() {
			bodies = append(bodies, m[strings.Index(m, "{"):])
		}
		return bodies
	}}
}

func overStream(t *testing.T, r *receiver, bad func(string) bool) picky {
	r.ends = bad
	s := r.settings
	s.Settle = setting.Duration(250 * time.Millisecond)
	return picky{open(t, s), func() (bodies []string) {
		for _, b := range r.bodies() {
			bodies = append(bodies, string(b))
		}
		return bodies
	}}
}

// TestReceiverThatEndsTheConnectionOverARecord uses records over which a receiver ends the
// connection: exactly these are rejected.
func TestReceiverThatEndsTheConnectionOverARecord(t *testing.T) {
	const n = 30
	transports := map[string]func(*testing.T, func(string) bool) picky{
		"relp refused": func(t *testing.T, bad func(string) bool) picky {
			return overRELP(t, relptest.Fault{Status: 500}, bad)
		},
		"relp aborted": func(t *testing.T, bad func(string) bool) picky {
			return overRELP(t, relptest.Fault{Abort: true}, bad)
		},
		"relp closed": func(t *testing.T, bad func(string) bool) picky {
			return overRELP(t, relptest.Fault{Abort: true, Hint: true}, bad)
		},
		"tcp": func(t *testing.T, bad func(string) bool) picky { return overStream(t, newReceiver(t, nil), bad) },
		"tls": func(t *testing.T, bad func(string) bool) picky { return overStream(t, overTLS(t), bad) },
	}
	for _, tt := range []struct {
		words  string
		before int // records delivered before
		size   int // of the batch
		bad    []int
		wait   bool // nothing shows that the records are at fault
	}{
		{words: "the first", size: n, bad: []int{0}},
		{words: "one in the middle", size: n, bad: []int{13}},
		{words: "the last", size: n, bad: []int{n - 1}},
		{words: "several", size: n, bad: []int{0, 1, 17}},
		{words: "all but one", size: 4, bad: []int{0, 2, 3}},
		{words: "all, after others", before: 1, size: 3, bad: []int{0, 1, 2}},
		{words: "the only one, after another", before: 1, size: 1, bad: []int{0}},
		{words: "all, and nothing was delivered", size: 4, bad: []int{0, 1, 2, 3}, wait: true},
		{words: "the only one, and nothing was delivered", size: 1, bad: []int{0}, wait: true},
	} {
		for transport, receive := range transports {
			if transport == "tls" && len(tt.bad) > 1 {
				continue // It is TCP, and waits as long.
			}
			t.Run(transport+" "+tt.words, func(t *testing.T) {
				t.Parallel() // It waits for most of the time.
				earlier, records := batch(1000, tt.before), batch(0, tt.size)
				bad := map[string]bool{}
				for _, i := range tt.bad {
					bad[string(records[i].Body)] = true
				}
				p := receive(t, func(body string) bool { return bad[body] })
				syslog.Hurry(p.snk)
				l := &lane{snk: p.snk, attempts: 1000, timeout: time.Minute}
				if tt.wait {
					l.attempts = 60
				}
				if !l.deliver(earlier) {
					t.Fatalf("the records before were not delivered: %v", l.last)
				}
				done := l.deliver(records)
				want := slices.Sorted(maps.Keys(bad))
				if tt.wait {
					want = nil
				}
				if done == tt.wait {
					t.Errorf("settled: %t, want %t; last error: %v", done, !tt.wait, l.last)
				}
				if diff := cmp.Diff(want, slices.Sorted(slices.Values(l.rejects))); diff != "" {
					t.Errorf("rejects (-want +got):\n%s", diff)
				}
				for _, problem := range append(l.wrong, misplaced(p.bodies(), records, bad)...) {
					t.Error(problem)
				}
			})
		}
	}
}

// misplaced names the records that arrived but should not have, or the reverse.
func misplaced(got []string, records []sink.Record, bad map[string]bool) (wrong []string) {
	for _, r := range records {
		body := string(r.Body)
		if arrived := slices.Contains(got, body); arrived == bad[body] {
			wrong = append(wrong, fmt.Sprintf("record %s arrived: %t, want %t", body, arrived, !bad[body]))
		}
	}
	return wrong
}

// TestARecordThatWaitsHasAHint publishes only one record.
func TestARecordThatWaitsHasAHint(t *testing.T) {
	p := overRELP(t, relptest.Fault{Abort: true}, func(string) bool { return true })
	syslog.Hurry(p.snk)
	l := &lane{snk: p.snk, attempts: 5, timeout: time.Minute}
	l.deliver(batch(0, 1))
	wantError(t, l.last, "the receiver ended the connection 6 times over the only record", "restart sluice once newer events exist")
}

// world is a receiver in virtual time, with its outages.
type world struct {
	answers bool            // each message, as over RELP; otherwise it takes a batch or does not, as over TCP
	bad     map[string]bool // bodies over which it ends the connection
	trouble trouble
	lasts   time.Duration // the trouble
	restart time.Duration // after a bad message
	proxied bool          // what is in front accepts connections during a restart, and ends them
	before  []sink.Record // delivered before it
	records []sink.Record

	until, down time.Time // of the trouble, and of the restart
	connections int
	passed      int // messages, through a proxy
	arrived     []string
}

// trouble is an outage that does not depend on messages.
type trouble struct {
	name string
	dial func(w *world) error                                    // why a connection is not made; may be nil
	ends func(ctx context.Context, w *world, n int) (int, error) // how many of n messages are read, and why not the next
}

var ends = []error{io.EOF, syscall.ECONNRESET, syscall.EPIPE, &relp.Refusal{Status: 500, Text: "no"}, relp.ErrServerClosed}

func anyEnd() error { return ends[rand.N(len(ends))] }

var troubles = []trouble{
	{name: "refused", dial: func(*world) error { return syscall.ECONNREFUSED }},
	{name: "ended in the handshake", dial: func(*world) error { return io.EOF }},
	{name: "refused or ended in the handshake, and killed in between", dial: func(*world) error {
		if rand.N(2) == 0 {
			return io.EOF
		}
		return nil
	}, ends: func(_ context.Context, _ *world, n int) (int, error) { return rand.N(n), anyEnd() }},
	{name: "crashes at every message", ends: func(context.Context, *world, int) (int, error) { return 0, io.EOF }},
	{name: "crashes at one message in two", ends: func(_ context.Context, _ *world, n int) (int, error) {
		for i := range n {
			if rand.N(2) == 0 {
				return i, anyEnd()
			}
		}
		return n, nil
	}},
	{name: "crashes at one message in ten", ends: func(_ context.Context, _ *world, n int) (int, error) {
		for i := range n {
			if rand.N(10) == 0 {
				return i, anyEnd()
			}
		}
		return n, nil
	}},
	{name: "every other connection leads to one that crashes", ends: func(_ context.Context, w *world, n int) (int, error) {
		if w.connections%2 == 0 {
			return 0, syscall.ECONNRESET
		}
		return n, nil
	}},
	{name: "two connections of three lead to one that crashes", ends: func(_ context.Context, w *world, n int) (int, error) {
		if w.connections%3 > 0 {
			return 0, syscall.ECONNRESET
		}
		return n, nil
	}},
	{name: "reset by a proxy after every seventh message", ends: func(_ context.Context, w *world, n int) (int, error) {
		for i := range n {
			if w.passed++; w.passed%7 == 0 {
				return i, syscall.ECONNRESET
			}
		}
		return n, nil
	}},
	{name: "stalls", ends: func(ctx context.Context, _ *world, n int) (int, error) {
		<-ctx.Done()
		return rand.N(n), context.Cause(ctx)
	}},
	{name: "stalls one connection in two", ends: func(ctx context.Context, _ *world, n int) (int, error) {
		if rand.N(2) == 0 {
			return n, nil
		}
		<-ctx.Done()
		return 0, context.Cause(ctx)
	}},
	{name: "times out", ends: func(context.Context, *world, int) (int, error) {
		time.Sleep(30 * time.Second)
		return 0, syscall.ETIMEDOUT
	}},
	{name: "says that it stops", ends: func(_ context.Context, _ *world, n int) (int, error) {
		return rand.N(n), relp.ErrServerClosed
	}},
}

func (w *world) dial(_ context.Context, _ syslog.Address) (syslog.Send, error) {
	w.connections++
	if w.restarting() && !w.proxied {
		return nil, syscall.ECONNREFUSED
	}
	if w.troubled() && w.trouble.dial != nil {
		if err := w.trouble.dial(w); err != nil {
			return nil, err
		}
	}
	return w.send, nil
}

func (w *world) troubled() bool { return time.Now().Before(w.until) }

func (w *world) restarting() bool { return time.Now().Before(w.down) }

func (w *world) send(ctx context.Context, messages [][]byte) (int, error) {
	if w.restarting() {
		return 0, anyEnd()
	}
	read, why := len(messages), error(nil)
	if w.troubled() && w.trouble.ends != nil {
		read, why = w.trouble.ends(ctx, w, len(messages))
	}
	for i, m := range messages[:read] {
		body := string(m[strings.Index(string(m), "{"):])
		if w.bad[body] {
			read, why = i, anyEnd()
			w.down = time.Now().Add(w.restart)
			break
		}
		w.arrived = append(w.arrived, body)
	}
	switch {
	case why == nil:
		return read, nil
	case !w.answers:
		return 0, why
	}
	return rand.N(read + 1), why // The end may overtake answers.
}

// run publishes all records, and returns what went wrong.
func (w *world) run(s syslog.Settings) (wrong []string) {
	snk, err := syslog.Type.Open(context.Background(), sink.Env{Log: quiet}, &s)
	if err != nil {
		return []string{err.Error()}
	}
	syslog.Dial(snk, w.dial)
	l := &lane{snk: snk, attempts: 10_000, timeout: 2 * time.Minute, pause: true}
	if len(w.before) > 0 && !l.deliver(w.before) {
		l.wrong = append(l.wrong, fmt.Sprintf("the records before were not settled: %v", l.last))
	}
	w.until = time.Now().Add(w.lasts)
	if !l.deliver(w.records) {
		l.wrong = append(l.wrong, fmt.Sprintf("records were not settled: %v", l.last))
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(w.bad)), slices.Sorted(slices.Values(l.rejects))); diff != "" {
		l.wrong = append(l.wrong, "rejects (-want +got):\n"+diff)
	}
	if err := snk.Close(); err != nil {
		l.wrong = append(l.wrong, err.Error())
	}
	return append(l.wrong, misplaced(w.arrived, append(w.before, w.records...), w.bad)...)
}

// TestProof checks everything that is sent before a record is rejected.
func TestProof(t *testing.T) {
	bad, before := batch(0, 1), batch(1000, 1)
	alone := map[string]int{} // bodies that were sent alone on a connection of their own
	w := &world{bad: map[string]bool{string(bad[0].Body): true}, answers: true}
	snk := open(t, settings(t, "relp://127.0.0.1:1"))
	syslog.Hurry(snk)
	syslog.Dial(snk, func(ctx context.Context, a syslog.Address) (syslog.Send, error) {
		sent := 0
		return func(ctx context.Context, messages [][]byte) (int, error) {
			sent += len(messages)
			if text := string(messages[0]); sent == 1 {
				alone[text[strings.Index(text, "{"):]]++
			}
			return w.send(ctx, messages)
		}, nil
	})
	l := &lane{snk: snk, attempts: 10, timeout: time.Minute}
	if !l.deliver(before) || !l.deliver(bad) || len(l.rejects) != 1 {
		t.Fatalf("got rejects %q, want one; last error: %v", l.rejects, l.last)
	}
	// Not trials: three attempts of the whole batch, the first over the connection of the
	// record before, and that record's delivery.
	suspect, control := alone[string(bad[0].Body)]-2, alone[string(before[0].Body)]-1
	if suspect == 0 || control == 0 || suspect+control != syslog.Trials {
		t.Errorf("got %d trials of the suspect and %d of the control, want some of each and %d in all", suspect, control, syslog.Trials)
	}
	if want := fmt.Sprintf("%d times over this record alone, and took another record %d times in between", suspect, control); !strings.Contains(l.last.Error(), want) {
		t.Errorf("got error %v, want %q in it", l.last, want)
	}
}

// TestEnds lists errors that count as an end by the receiver, and errors that prove
// nothing about a message.
func TestEnds(t *testing.T) {
	for _, tt := range []struct {
		err   error
		dial  bool // when the connection is made
		count bool
	}{
		{err: io.EOF, count: true},
		{err: io.ErrUnexpectedEOF, count: true},
		{err: syscall.ECONNRESET, count: true},
		{err: syscall.EPIPE, count: true},
		{err: syslog.ErrHalfClosed, count: true},
		{err: syslog.ErrSpoke, count: true},
		{err: relp.ErrServerClosed, count: true},
		{err: &relp.Refusal{Status: 500}, count: true},
		{err: syscall.ETIMEDOUT},
		{err: syscall.EHOSTUNREACH},
		{err: context.DeadlineExceeded},
		{err: context.Canceled},
		{err: syscall.ECONNREFUSED, dial: true},
		{err: io.EOF, dial: true},
		{err: syscall.ECONNRESET, dial: true},
	} {
		t.Run(fmt.Sprintf("%v, dial %t", tt.err, tt.dial), func(t *testing.T) {
			var sizes []int // of what was sent
			trouble := true
			snk := open(t, settings(t, "relp://127.0.0.1:1"))
			syslog.Hurry(snk)
			syslog.Dial(snk, func(context.Context, syslog.Address) (syslog.Send, error) {
				if trouble && tt.dial {
					return nil, tt.err
				}
				return func(_ context.Context, messages [][]byte) (int, error) {
					sizes = append(sizes, len(messages))
					if trouble {
						return 0, fmt.Errorf("reading: %w", tt.err)
					}
					return len(messages), nil
				}, nil
			})
			for range 2 {
				wantError(t, snk.Publish(t.Context(), batch(0, 8)), tt.err.Error())
			}
			sizes = nil
			wantError(t, snk.Publish(t.Context(), batch(0, 8)), tt.err.Error())
			halved := len(sizes) > 1
			if halved != tt.count {
				t.Errorf("messages were sent in %v at the third failure: halved %t, want %t", sizes, halved, tt.count)
			}
			trouble, sizes = false, nil
			if failures := deliver(t, snk, batch(0, 8)); failures > 0 && !tt.count {
				t.Errorf("%d failures after the trouble, want none", failures)
			}
			if !tt.count && !slices.Equal(sizes, []int{8}) {
				t.Errorf("sent %v after the trouble, want all at once", sizes)
			}
		})
	}
}

// TestAnotherRecordInheritsNothing interrupts the trials of one record and continues with
// another record.
func TestAnotherRecordInheritsNothing(t *testing.T) {
	one, other := batch(0, 1), batch(1, 1)
	w := &world{answers: true, bad: map[string]bool{string(one[0].Body): true, string(other[0].Body): true}}
	sent, until := 0, syslog.Trials
	snk := open(t, settings(t, "relp://127.0.0.1:1"))
	syslog.Hurry(snk)
	syslog.Dial(snk, func(ctx context.Context, a syslog.Address) (syslog.Send, error) {
		return func(ctx context.Context, messages [][]byte) (int, error) {
			if sent++; sent == until {
				return 0, syscall.ETIMEDOUT
			}
			return w.send(ctx, messages)
		}, nil
	})
	first := &lane{snk: snk, attempts: 3, timeout: time.Minute}
	first.deliver(batch(1000, 1))
	if first.deliver(one) || !errors.Is(first.last, syscall.ETIMEDOUT) {
		t.Fatalf("got rejects %q and error %v, want an interruption", first.rejects, first.last)
	}
	until = -1
	for _, words := range []string{"the other", "the other, published again,"} {
		sent = 0
		l := &lane{snk: snk, attempts: 10, timeout: time.Minute}
		if !l.deliver(other) || len(l.rejects) != 1 {
			t.Fatalf("got rejects %q, want one; last error: %v", l.rejects, l.last)
		}
		if want := 3 + syslog.Trials; sent != want {
			t.Errorf("%s was rejected after %d attempts, want %d", words, sent, want)
		}
	}
}

// TestASuspectThatIsConfirmed uses an outage that is over when the trials start: the
// suspect counts as delivered, and the records after it must still be sent.
func TestASuspectThatIsConfirmed(t *testing.T) {
	for _, size := range []int{1, 2} {
		failures := 3 // attempts of the whole batch
		if size == 2 {
			failures++ // and of its first half
		}
		snk := open(t, settings(t, "relp://127.0.0.1:1"))
		syslog.Hurry(snk)
		sent := -1 // without the record before
		syslog.Dial(snk, func(context.Context, syslog.Address) (syslog.Send, error) {
			return func(_ context.Context, messages [][]byte) (int, error) {
				if sent++; sent > 0 && sent <= failures {
					return 0, io.EOF
				}
				return len(messages), nil
			}, nil
		})
		var err error
		for _, records := range [][]sink.Record{batch(1000, 1), batch(0, size), batch(0, size), batch(0, size)} {
			err = snk.Publish(t.Context(), records)
		}
		var named sink.BatchError
		switch {
		case size == 1 && err != nil:
			t.Errorf("got %v for a record that was confirmed", err)
		case size == 2 && (!errors.As(err, &named) || len(named) != 1 || named[0].Index != 1 || named[0].Err == nil || sink.IsPermanent(named[0].Err)):
			t.Errorf("got %v, want the second of two records to be published again", err)
		}
	}
}

// TestHalving uses one bad record among many, at several places.
func TestHalving(t *testing.T) {
	const n, halvings = 1000, 10
	records := batch(0, n)
	for place := 0; place < n; place += 37 {
		w := &world{bad: map[string]bool{string(records[place].Body): true}}
		attempts := 0
		snk := open(t, settings(t, "tcp://127.0.0.1:1"))
		syslog.Hurry(snk)
		syslog.Dial(snk, func(context.Context, syslog.Address) (syslog.Send, error) {
			return func(ctx context.Context, messages [][]byte) (int, error) {
				attempts++
				return w.send(ctx, messages)
			}, nil
		})
		l := &lane{snk: snk, attempts: 10, timeout: time.Minute}
		if !l.deliver(batch(5000, 1)) || !l.deliver(records) || len(l.rejects) != 1 {
			t.Fatalf("got rejects %q, want one; last error: %v", l.rejects, l.last)
		}
		const before, after = 1, 1 // the record before, and what was behind the bad one
		if most := before + 3 + halvings + syslog.Trials + after; attempts > most {
			t.Errorf("record %d was found with %d attempts, want at most %d", place, attempts, most)
		}
	}
}

// TestAPublishEndsInTime uses a receiver that takes 7 s to confirm a message or to end the
// connection: a Publish makes several attempts, with a pause after each end, and starts
// none after 20 s.
func TestAPublishEndsInTime(t *testing.T) {
	s := settings(t, "relp://127.0.0.1:1")
	synctest.Test(t, func(t *testing.T) {
		const answer, respite, patience = 7 * time.Second, 200 * time.Millisecond, 20 * time.Second
		bad := batch(0, 1)
		w := &world{answers: true, bad: map[string]bool{string(bad[0].Body): true}}
		snk := open(t, s)
		attempts, ended := 0, time.Time{}
		syslog.Dial(snk, func(context.Context, syslog.Address) (syslog.Send, error) {
			if pause := time.Since(ended); pause < respite {
				t.Errorf("a connection was made %v after the one before ended, want %v", pause, respite)
			}
			return func(ctx context.Context, messages [][]byte) (int, error) {
				attempts++
				time.Sleep(answer)
				taken, err := w.send(ctx, messages)
				if err != nil {
					ended = time.Now()
				}
				return taken, err
			}, nil
		})
		l := &lane{snk: snk, attempts: 1, timeout: time.Hour, pause: true}
		l.deliver(batch(1000, 1))
		for most := 0; len(l.rejects) == 0; {
			attempts = 0
			began := time.Now()
			err := snk.Publish(t.Context(), bad)
			if took := time.Since(began); took > patience+answer+respite {
				t.Fatalf("Publish took %v", took)
			}
			l.answer(bad, err)
			most = max(most, attempts)
			if len(l.rejects) > 0 && most != 3 {
				t.Errorf("a Publish made %d attempts at most, want 3", most)
			}
			time.Sleep(time.Second)
		}
	})
}

// TestARestartIsNoTrial uses a receiver that refuses connections for a while after each
// bad message: these dials do not count as trials and do not end the suspicion.
func TestARestartIsNoTrial(t *testing.T) {
	bad := batch(0, 1)
	ended, refuse := 0, 0
	w := &world{answers: true, bad: map[string]bool{string(bad[0].Body): true}}
	snk := open(t, settings(t, "relp://127.0.0.1:1"))
	syslog.Hurry(snk)
	syslog.Dial(snk, func(ctx context.Context, a syslog.Address) (syslog.Send, error) {
		if refuse > 0 {
			refuse--
			return nil, syscall.ECONNREFUSED
		}
		return func(ctx context.Context, messages [][]byte) (int, error) {
			taken, err := w.send(ctx, messages)
			if err != nil {
				ended, refuse = ended+1, 2
			}
			return taken, err
		}, nil
	})
	l := &lane{snk: snk, attempts: 1000, timeout: time.Minute}
	if !l.deliver(batch(1000, 1)) || !l.deliver(bad) || len(l.rejects) != 1 {
		t.Fatalf("got rejects %q, want one; last error: %v", l.rejects, l.last)
	}
	if most := 3 + syslog.Trials; ended > most {
		t.Errorf("the receiver ended the connection %d times, want at most %d", ended, most)
	}
}

// TestAnOutageRejectsNothing uses outages of every kind, with and without bad records:
// exactly the bad records are rejected, and all others arrive.
func TestAnOutageRejectsNothing(t *testing.T) {
	s := settings(t, "relp://127.0.0.1:1")
	for _, trouble := range troubles {
		t.Run(trouble.name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				w := &world{
					answers: rapid.Bool().Draw(rt, "answers"),
					trouble: trouble,
					lasts:   time.Duration(rapid.IntRange(0, 60).Draw(rt, "minutes")) * time.Minute,
					restart: rapid.SampledFrom([]time.Duration{0, 50 * time.Millisecond, 10 * time.Second}).Draw(rt, "restart"),
					proxied: rapid.Bool().Draw(rt, "proxied"),
					bad:     map[string]bool{},
					before:  batch(1000, rapid.IntRange(0, 3).Draw(rt, "before")),
					records: batch(0, rapid.IntRange(1, 40).Draw(rt, "records")),
				}
				for _, i := range rapid.SliceOfN(rapid.IntRange(0, len(w.records)-1), 0, 3).Draw(rt, "bad") {
					w.bad[string(w.records[i].Body)] = true
				}
				if len(w.before) == 0 && len(w.bad) == len(w.records) {
					w.bad = map[string]bool{} // With nothing to compare, they would wait.
				}
				var wrong []string
				synctest.Test(t, func(*testing.T) { wrong = w.run(s) })
				if len(wrong) > 0 {
					rt.Fatal(strings.Join(wrong, "\n"))
				}
			})
		})
	}
}
