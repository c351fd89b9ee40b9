package elasticsearch_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/elasticsearch"
	"github.com/sluice-siem/sluice/pkg/sink/elasticsearch/estest"
)

// direct calls a handler without a connection. A handler that aborts is a connection that
// ended.
type direct struct{ http.Handler }

func (d direct) RoundTrip(r *http.Request) (answer *http.Response, err error) {
	defer func() {
		if recover() != nil {
			answer, err = nil, io.ErrUnexpectedEOF
		}
	}()
	recorder := httptest.NewRecorder()
	d.ServeHTTP(recorder, r)
	return recorder.Result(), nil
}

// faultOf draws what befalls a bulk request with so many documents.
func faultOf(t *rapid.T, actions int) estest.Fault {
	items := rapid.SliceOfN(rapid.SampledFrom([]estest.ItemFault{
		{}, {}, {}, estest.Busy, estest.Unavailable,
		{Status: 500, Type: "x", Taken: true}, {Status: 403, Type: "cluster_block_exception"},
	}), actions, actions).Draw(t, "items")
	return rapid.SampledFrom([]estest.Fault{
		{}, {},
		{Reset: true},
		{Reset: true, Handled: true},
		{Cut: true},
		{Item: func(i int) estest.ItemFault { return items[i] }},
		{Answer: &estest.Answer{Status: 503, HTML: true}, Handled: true},
		{Answer: &estest.Answer{Status: 429, Type: "es_rejected_execution_exception"}},
		{Answer: &estest.Answer{Status: 413, HTML: true}},
		{Answer: &estest.Answer{Status: 413, HTML: true}, Handled: true},
		{Answer: &estest.Answer{Status: 401, Type: "security_exception"}},
		{Answer: &estest.Answer{Status: 200, HTML: true}, Handled: true},
		{Twist: func(all []json.RawMessage) []json.RawMessage {
			all[0], all[len(all)-1] = all[len(all)-1], all[0]
			return all
		}},
		{Twist: func(all []json.RawMessage) []json.RawMessage { return all[:len(all)-1] }},
	}).Draw(t, "fault")
}

// A lane crashes at any step, and the server does anything to any request: in the end each
// event is stored once, and each bad one is rejected and not stored. A whole 413 for a
// single record rejects it, so that fault only befalls larger requests.
func TestEachEventOnceWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 30).Draw(t, "records")
		records := batch(n)
		bad := map[int]bool{}
		for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 0, 3, rapid.ID).Draw(t, "bad") {
			spoil(records, i)
			bad[i] = true
		}
		trouble := rapid.IntRange(0, 20).Draw(t, "faults")
		es := estest.NewServer(estest.Config{
			Flavor:       rapid.SampledFrom([]string{estest.Elasticsearch, estest.OpenSearch}).Draw(t, "flavor"),
			FailureStore: rapid.Bool().Draw(t, "failure store"), Refuse: isBad,
			Script: func(q estest.Request) estest.Fault {
				if !q.Bulk() || trouble == 0 {
					return estest.Fault{}
				}
				trouble--
				f := faultOf(t, q.Actions)
				if f.Answer != nil && f.Answer.Status == 413 && q.Actions == 1 {
					return estest.Fault{}
				}
				return f
			},
		})
		rejected := map[int]bool{}
		l := &lives{T: t, transport: direct{es}, rejected: rejected}
		for at := 0; at < n; {
			size := rapid.IntRange(1, n-at).Draw(t, "batch")
			if l.publish(records[at:at+size], at) {
				at += size
			}
		}
		stored := map[string]int{}
		for _, d := range es.Documents() {
			stored[d.ID]++
		}
		for i, r := range records {
			want := 1
			if bad[i] {
				want = 0
			}
			if got := stored[elasticsearch.DocumentID(r)]; got != want || rejected[i] != bad[i] {
				t.Fatalf("record %d, bad %v: stored %d times, rejected %v", i, bad[i], got, rejected[i])
			}
		}
	})
}

// lives are those of a lane that crashes.
type lives struct {
	*rapid.T
	transport http.RoundTripper
	rejected  map[int]bool // records by their number
	snk       sink.Sink
}

// publish delivers a batch as a lane does, and reports whether its position was saved. It
// may crash after any Publish.
func (l *lives) publish(records []sink.Record, first int) (saved bool) {
	numbers := make([]int, len(records))
	for i := range numbers {
		numbers[i] = first + i
	}
	for tries := 0; len(records) > 0; tries++ {
		if tries > 100 {
			l.Fatal("nothing came of 100 attempts")
		}
		if l.snk == nil {
			s := defaults("http://localhost:9200")
			s.MaxRequestEvents = l.size()
			snk, err := elasticsearch.OpenOver(l.transport, sink.Env{Dataset: "planetscale.audit", Log: zerolog.Nop()}, s)
			if err != nil {
				l.Fatal(err)
			}
			l.snk = snk
		}
		said := outcome(len(records), l.snk.Publish(l.Context(), records))
		if rapid.IntRange(0, 5).Draw(l.T, "crash") == 0 {
			l.crash()
			return false
		}
		var again []sink.Record
		var left []int
		for i := range records {
			switch said[i] {
			case "again":
				again, left = append(again, records[i]), append(left, numbers[i])
			case "refused":
				l.rejected[numbers[i]] = true
			}
		}
		records, numbers = again, left
	}
	return true
}

func (l *lives) size() int { return rapid.IntRange(1, 10).Draw(l.T, "request size") }

func (l *lives) crash() {
	if err := l.snk.Close(); err != nil {
		l.Fatal(err)
	}
	l.snk = nil
}
