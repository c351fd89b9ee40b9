package posting_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/internal/posting"
)

func batch(n int, bad ...int) []sink.Record {
	all := make([]sink.Record, n)
	for i := range all {
		all[i] = sink.Record{ID: fmt.Sprintf("id-%06d", i), Body: fmt.Appendf(nil, `{"n":%d}`, i)}
		if slices.Contains(bad, i) {
			all[i].Body = fmt.Appendf(nil, `{"bad":%d}`, i)
		}
	}
	return all
}

func isBad(r sink.Record) bool { return bytes.HasPrefix(r.Body, []byte(`{"bad"`)) }

var errUnencodable = sink.Permanent(errors.New("cannot be encoded"))

func plan() posting.Plan {
	return posting.Plan{
		Append:   func(dst []byte, r *sink.Record) ([]byte, error) { return append(dst, r.Body...), nil },
		Framing:  posting.Array,
		MaxBytes: 1 << 20, MaxRecords: 10, Concurrency: 4,
		Wrap: func(err error) error { return fmt.Errorf("posting: %w", err) },
	}
}

func publisher(t testing.TB, p posting.Plan) *posting.Publisher {
	t.Helper()
	made := posting.NewPublisher(p)
	t.Cleanup(made.Close)
	return made
}

// server takes the requests that it answers with Delivered.
type server struct {
	mu    sync.Mutex
	taken []string // ids, in the order in which they came
	posts int
}

func (s *server) take(records []sink.Record) {
	for _, r := range records {
		s.taken = append(s.taken, r.ID)
	}
}

// whole gives one verdict about a request.
func (s *server) whole(_ context.Context, q posting.Request) posting.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.posts++
	if slices.ContainsFunc(q.Records, isBad) {
		return posting.Answer{Verdict: posting.Rejected, Err: errors.New("400 Bad Request")}
	}
	s.take(q.Records)
	return posting.Answer{}
}

// outcome maps the indexes of records that were not delivered to how they were not.
func outcome(t testing.TB, n int, err error) map[int]string {
	t.Helper()
	list := sink.BatchError{}
	if err == nil {
		return nil
	}
	all := map[int]string{}
	if !errors.As(err, &list) {
		for i := range n {
			all[i] = "again"
		}
		return all
	}
	faults, invalid := list.Faults(n)
	if invalid != nil {
		t.Fatal(invalid)
	}
	for i, fault := range faults {
		switch {
		case fault == nil:
		case sink.IsPermanent(fault):
			all[i] = "refused"
		default:
			all[i] = "again"
		}
	}
	return all
}

func TestARequestHoldsItsRecordsInTheFraming(t *testing.T) {
	for name, framing := range map[string]posting.Framing{"array": posting.Array, "ndjson": posting.NDJSON, "long": {Head: `{"events":[`, Separator: ",\n", Tail: "]}"}} {
		p := plan()
		p.Framing, p.MaxRecords = framing, 7
		records := batch(16)
		err := publisher(t, p).Publish(t.Context(), records, func(_ context.Context, q posting.Request) posting.Answer {
			for i := range q.Len() {
				for j := i + 1; j <= q.Len(); j++ {
					part := q.Slice(i, j)
					var bodies []string
					for _, r := range records[q.First+i : q.First+j] {
						bodies = append(bodies, string(r.Body))
					}
					want := framing.Head + strings.Join(bodies, framing.Separator) + framing.Tail
					got, err := part.Encode(posting.None)
					if err != nil || string(got) != want || part.Size() != len(want) || part.First != q.First+i {
						t.Errorf("%s, %d to %d: got %q at %d, %v; want %q", name, i, j, got, part.First, err, want)
					}
				}
			}
			return posting.Answer{}
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestARequestKeepsToItsLimits(t *testing.T) {
	p := plan()
	p.MaxBytes, p.MaxRecords = 40, 4
	records := batch(30)
	records[3].Body = []byte(`{"large":"` + strings.Repeat("x", 100) + `"}`)
	var mu sync.Mutex
	seen := 0
	err := publisher(t, p).Publish(t.Context(), records, func(_ context.Context, q posting.Request) posting.Answer {
		mu.Lock()
		defer mu.Unlock()
		seen += q.Len()
		body, err := q.Encode(posting.None)
		var list []json.RawMessage
		if err := errors.Join(err, json.Unmarshal(body, &list)); err != nil || len(list) != q.Len() {
			t.Errorf("%q: %v", body, err)
		}
		if alone := q.First == 3 && q.Len() == 1; len(body) > 40 != alone || q.Len() > 4 {
			t.Errorf("%d records with %d bytes", q.Len(), len(body))
		}
		return posting.Answer{}
	})
	if err != nil || seen != 30 {
		t.Errorf("%d records: %v", seen, err)
	}
}

func TestKeyNamesTheRequest(t *testing.T) {
	keys := map[string]int{}
	records := batch(4)
	records[1].ID = records[0].ID // of another organization
	for range 2 {
		err := publisher(t, plan()).Publish(t.Context(), records, func(_ context.Context, q posting.Request) posting.Answer {
			for i := range q.Len() {
				for j := i + 1; j <= q.Len(); j++ {
					keys[q.Slice(i, j).Key()]++
				}
			}
			return posting.Answer{}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(keys) != 10 {
		t.Errorf("%d keys for 10 requests", len(keys))
	}
	for key, n := range keys {
		if n != 2 || len(key) != 64 {
			t.Errorf("key %s: %d times", key, n)
		}
	}
}

// One bad record costs few requests, and no other record.
func TestOneBadRecord(t *testing.T) {
	for at := range 40 {
		s := &server{}
		err := publisher(t, plan()).Publish(t.Context(), batch(40, at), s.whole)
		if got := outcome(t, 40, err); len(got) != 1 || got[at] != "refused" {
			t.Errorf("record %d: %v", at, got)
		}
		if len(s.taken) != 39 || s.posts > 4+6 {
			t.Errorf("record %d: %d taken in %d requests", at, len(s.taken), s.posts)
		}
	}
}

// A record that cannot be encoded is not sent, and no other record waits for it.
func TestARecordThatCannotBeEncoded(t *testing.T) {
	for _, at := range [][]int{{0}, {5}, {9, 10, 11}, {39}} {
		p := plan()
		p.Append = func(dst []byte, r *sink.Record) ([]byte, error) {
			if isBad(*r) {
				return append(dst, "garbage"...), errUnencodable
			}
			return append(dst, r.Body...), nil
		}
		s := &server{}
		got := outcome(t, 40, publisher(t, p).Publish(t.Context(), batch(40, at...), s.whole))
		for _, i := range at {
			if got[i] != "refused" {
				t.Errorf("%v: %v", at, got)
			}
		}
		if len(got) != len(at) || len(s.taken) != 40-len(at) {
			t.Errorf("%v: %v, %d taken", at, got, len(s.taken))
		}
	}
}

// With one request at a time the server gets the records in order, also around bad ones and
// requests that are too large.
func TestOneRequestAtATimeKeepsOrder(t *testing.T) {
	p := plan()
	p.Concurrency = 1
	s := &server{}
	bad := []int{3, 4, 17, 39}
	err := publisher(t, p).Publish(t.Context(), batch(40, bad...), func(ctx context.Context, q posting.Request) posting.Answer {
		if q.Len() > 6 {
			return posting.Answer{Verdict: posting.Split, Err: errors.New("413")}
		}
		return s.whole(ctx, q)
	})
	if got := outcome(t, 40, err); len(got) != len(bad) || !slices.IsSorted(s.taken) || len(s.taken) != 36 {
		t.Errorf("outcome %v, taken %v", got, s.taken)
	}
}

// A fault that is not a record's stops what was not sent yet.
func TestAFaultHalts(t *testing.T) {
	for _, verdict := range []posting.Verdict{posting.Retry, posting.Destination, posting.Unauthorized} {
		p := plan()
		p.Concurrency = 1
		posts, fault := 0, errors.New("503")
		err := publisher(t, p).Publish(t.Context(), batch(100), func(context.Context, posting.Request) posting.Answer {
			posts++
			return posting.Answer{Verdict: verdict, Err: fault}
		})
		if posts != 1 || !errors.Is(err, fault) || errors.As(err, new(sink.BatchError)) {
			t.Errorf("%d requests: %v", posts, err)
		}
	}
}

// A server that refuses everything is noticed before thousands of requests. The records
// that were not sent are no rejects, and the hint of the refusal stays.
func TestManyRefusedInARow(t *testing.T) {
	for name, answer := range map[string]func(posting.Request) posting.Answer{
		"whole": func(posting.Request) posting.Answer {
			return posting.Answer{Verdict: posting.Rejected, Err: sink.Hint(errors.New("400"), "look")}
		},
		"each": func(q posting.Request) posting.Answer {
			a := posting.Answer{Each: make([]error, q.Len())}
			for i := range a.Each {
				a.Each[i] = sink.Permanent(sink.Hint(errors.New("400"), "look"))
			}
			return a
		},
	} {
		p := plan()
		p.Concurrency = 1
		posts := 0
		err := publisher(t, p).Publish(t.Context(), batch(5000), func(_ context.Context, q posting.Request) posting.Answer {
			posts++
			return answer(q)
		})
		kinds := map[string]int{}
		for _, kind := range outcome(t, 5000, err) {
			kinds[kind]++
		}
		if kinds["refused"] != 100 || kinds["again"] != 4900 || posts > 1000 || failure.Hint(err) != "look" {
			t.Errorf("%s: %v in %d requests: %v", name, kinds, posts, err)
		}
	}
}

func TestNothingIsSentAfterTheEnd(t *testing.T) {
	p := posting.NewPublisher(plan())
	post := func(context.Context, posting.Request) posting.Answer {
		t.Error("a request")
		return posting.Answer{}
	}
	if err := p.Publish(t.Context(), nil, post); err != nil {
		t.Error(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Publish(ended, batch(3), post); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	p.Close()
	if err := p.Publish(t.Context(), batch(3), post); err == nil {
		t.Error("published by a closed publisher")
	}
}

// Close ends a Publish whose server does not answer.
func TestCloseEndsAPublish(t *testing.T) {
	p := posting.NewPublisher(plan())
	err := p.Publish(t.Context(), batch(100), func(ctx context.Context, _ posting.Request) posting.Answer {
		p.Close()
		<-ctx.Done()
		return posting.Answer{Verdict: posting.Retry, Err: ctx.Err()}
	})
	if err == nil {
		t.Error("delivered by a server that did not answer")
	}
}

// An answer with too few outcomes tells nothing.
func TestEachNeedsAnOutcomeForEachRecord(t *testing.T) {
	for _, n := range []int{0, 9, 11} {
		err := publisher(t, plan()).Publish(t.Context(), batch(10), func(context.Context, posting.Request) posting.Answer {
			return posting.Answer{Each: make([]error, n)}
		})
		if got := outcome(t, 10, err); len(got) != 10 || got[0] != "again" {
			t.Errorf("%d outcomes: %v", n, err)
		}
	}
}

// Whatever a server answers: a record that it did not take is never reported as delivered,
// only bad records are refused, and in the end every good one is delivered and every bad one
// refused.
func TestAnyAnswers(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 60).Draw(rt, "records")
		bad := rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 0, min(n, 8), rapid.ID[int]).Draw(rt, "bad")
		troubles := rapid.SliceOfN(rapid.IntRange(0, 9), 0, 30).Draw(rt, "troubles")
		p := plan()
		p.MaxRecords = rapid.IntRange(1, 20).Draw(rt, "in a request")
		p.Concurrency = rapid.IntRange(1, 3).Draw(rt, "concurrency")
		s := &scripted{troubles: troubles, taken: map[string]bool{}}
		made := posting.NewPublisher(p)
		defer made.Close()
		left, refused := batch(n, bad...), map[string]bool{}
		for range 200 {
			err := made.Publish(context.Background(), left, s.post)
			fate := outcome(t, len(left), err)
			var again []sink.Record
			for i, r := range left {
				switch fate[i] {
				case "again":
					again = append(again, r)
				case "refused":
					refused[r.ID] = true
					if !isBad(r) {
						rt.Fatalf("%s is refused, and is not bad", r.ID)
					}
				default:
					if !s.taken[r.ID] {
						rt.Fatalf("%s counts as delivered, and the server does not have it", r.ID)
					}
				}
			}
			if left = again; len(left) == 0 {
				break
			}
		}
		if len(left) > 0 || len(refused) != len(bad) {
			rt.Fatalf("%d are left, %d refused", len(left), len(refused))
		}
	})
}

// scripted answers with troubles first, then as each kind of server does.
type scripted struct {
	mu       sync.Mutex
	troubles []int
	taken    map[string]bool
}

func (s *scripted) post(_ context.Context, q posting.Request) posting.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	trouble := -1
	if len(s.troubles) > 0 {
		trouble, s.troubles = s.troubles[0], s.troubles[1:]
	}
	fault := errors.New("fault")
	bad := slices.IndexFunc(q.Records, isBad)
	switch {
	case trouble == 0:
		return posting.Answer{Verdict: posting.Retry, Err: fault}
	case trouble == 1:
		return posting.Answer{Verdict: posting.Destination, Err: fault}
	case trouble == 2 && q.Len() > 1:
		return posting.Answer{Verdict: posting.Split, Err: fault}
	case trouble == 3: // taken, and the answer is lost
		if bad < 0 {
			s.take(q.Records)
		}
		return posting.Answer{Verdict: posting.Retry, Err: fault}
	case trouble == 4 && bad >= 0: // it says where, and read the ones before
		return posting.Answer{Verdict: posting.Rejected, Err: fault, Bad: posting.Range{From: max(0, bad-1), To: bad + 1}, Took: s.took}
	case trouble == 5 && bad >= 0:
		return posting.Answer{Verdict: posting.Rejected, Err: fault, Bad: posting.Range{From: bad, To: bad + 1}}
	case trouble == 6 && q.Len() > 2: // out of order, after the first
		return posting.Answer{Verdict: posting.Retry, Err: fault, Bad: posting.Range{From: 1, To: 2}, Took: func(before posting.Request) bool { return !isBad(before.Records[0]) && s.took(before) }}
	case trouble == 7:
		return s.each(q, fault)
	case bad >= 0:
		return posting.Answer{Verdict: posting.Rejected, Err: fault, Bad: posting.Range{From: 3, To: q.Len() + 1}}
	}
	s.take(q.Records)
	return posting.Answer{}
}

// each answers for each record; every third is busy.
func (s *scripted) each(q posting.Request, fault error) posting.Answer {
	a := posting.Answer{Each: make([]error, q.Len())}
	for i, r := range q.Records {
		switch {
		case isBad(r):
			a.Each[i] = sink.Permanent(fault)
		case i%3 == 2:
			a.Each[i] = fault
		default:
			s.take(q.Records[i : i+1])
		}
	}
	return a
}

// took is called after post has returned, while other requests are under way.
func (s *scripted) took(before posting.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.take(before.Records)
	return true
}

func (s *scripted) take(records []sink.Record) {
	for _, r := range records {
		s.taken[r.ID] = true
	}
}

// What a server only took is not delivered until its outcome is noted.
func TestTakenIsNotDelivered(t *testing.T) {
	for _, noted := range []bool{false, true} {
		err := publisher(t, plan()).Run(t.Context(), batch(25), func(ctx context.Context, n *posting.Publication) error {
			n.Send(ctx, func(_ context.Context, q posting.Request) posting.Answer {
				if noted || q.First > 0 {
					n.Note(q, nil)
				}
				return posting.Answer{Verdict: posting.Taken}
			})
			return nil
		})
		if got, want := len(outcome(t, 25, err)), map[bool]int{false: 10, true: 0}[noted]; got != want {
			t.Errorf("%d records are to be sent again, want %d: %v", got, want, err)
		}
	}
}

// What the server took before a bad record is not sent again.
func TestTheRecordsBeforeABadOneAreSentOnce(t *testing.T) {
	p := plan()
	p.Concurrency, p.MaxRecords = 1, 100
	taken := map[string]int{}
	take := func(q posting.Request) {
		for _, r := range q.Records {
			taken[r.ID]++
		}
	}
	n := posting.NewPublisher(p)
	defer n.Close()
	err := n.Run(t.Context(), batch(100, 60), func(ctx context.Context, n *posting.Publication) error {
		n.Send(ctx, func(_ context.Context, q posting.Request) posting.Answer {
			bad := slices.IndexFunc(q.Records, isBad)
			if bad < 0 {
				take(q)
				return posting.Answer{}
			}
			take(q.Slice(0, bad))
			return posting.Answer{Verdict: posting.Rejected, Err: errors.New("bad"), Bad: posting.Range{From: bad, To: bad + 1}, Took: func(before posting.Request) bool {
				n.Note(before, nil)
				return true
			}}
		})
		return nil
	})
	if got := outcome(t, 100, err); len(got) != 1 || got[60] != "refused" || len(taken) != 99 {
		t.Errorf("outcome %v, %d taken", got, len(taken))
	}
	for id, times := range taken {
		if times != 1 {
			t.Errorf("%s was taken %d times", id, times)
		}
	}
}

// Refused records that are not in a row halt nothing.
func TestManyRefusedAmongOthers(t *testing.T) {
	p := plan()
	p.Concurrency = 1
	var bad []int
	for i := 0; i < 1000; i += 5 {
		bad = append(bad, i)
	}
	s := &server{}
	got := outcome(t, 1000, publisher(t, p).Publish(t.Context(), batch(1000, bad...), s.whole))
	if len(got) != 200 || len(s.taken) != 800 {
		t.Errorf("%d not delivered, %d taken", len(got), len(s.taken))
	}
}
