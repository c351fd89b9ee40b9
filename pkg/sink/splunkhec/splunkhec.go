// Package splunkhec publishes records to Splunk by HTTP Event Collector (HEC).
//
// # What is taken responsibility for
//
// Where the token has indexer acknowledgement, Publish returns nil once Splunk
// confirmed that every record is indexed. Without it, HEC answers as soon as it
// has the events in memory, and what Splunk loses of them nobody hears of. The
// setting ack says which is meant: required refuses to publish without
// acknowledgement, auto takes what the token offers and tells once in the log
// where that is none, off does not ask. (Splunk Cloud has it for Kinesis Firehose
// alone.)
//
// What is not confirmed is not delivered. An answer that was lost, a connection
// reset, an acknowledgement that does not come within ack_timeout, a channel that
// the indexer which is asked does not know: all these are sent again, and so may be
// indexed twice. That a cookie changes means nothing; see channels and cookies for
// what load balancers do. Every event
// therefore carries its id in an indexed field, by which a search removes
// duplicates:
//
//	sourcetype=planetscale:audit | dedup sluice_event_id
//
// # An event in Splunk
//
// The event is the record's body: as an object where it is a JSON object, as a
// string otherwise, with U+FFFD for what is not UTF-8. Its time is that of the
// event, to the millisecond. host, source, sourcetype and index are settings.
// These indexed fields are a contract:
//
//	sluice_event_id      the event's id, the same in every sink and at every attempt
//	sluice_organization  of PlanetScale; absent if unknown
//	sluice_action        such as deploy_request.queued; absent if unknown
//
// Splunk orders events by their time, and the requests of a Publish run side by
// side: nothing is said about the order in which they are indexed.
//
// # What is refused for good
//
// Splunk takes the events of a request one by one, up to the first that it cannot
// read, and names that one by number. Those before it are indexed; it is buried
// with Splunk's answer, and those behind it are sent again. Whether the number
// counts from zero or from one is not the same everywhere, so both that it may mean
// are sent again, each alone: one duplicate at most, and no event is buried for its
// neighbour. Where an answer names no number, halves are tried until the event is
// found. With acknowledgement, an answer without an ack id confirms nothing of what
// came before, so that this is sent again as well.
//
// What is about the token, the index or acknowledgement is about no record: it is
// tried again, slowly, and the lane says what to do.
//
// # What it does not do
//
// It does not use the raw endpoint, which has no fields for an id and no numbers
// for what is bad. It does not spread requests over several addresses: that is for
// a load balancer, with sticky sessions if there is acknowledgement. It keeps no
// acknowledgement beyond the Publish that it belongs to.
//
// All of this was written and tested against package hectest, which stands for
// Splunk, since Splunk cannot be had in tests; what that server does is what
// Splunk's documentation and the users of other clients say of it.
package splunkhec

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/internal/echo"
	"github.com/sluice-siem/sluice/pkg/sink"
)

type hec struct {
	settings Settings
	url      string // without a slash at its end
	log      zerolog.Logger
	client   *http.Client
	envelope envelope
	gzips    sync.Pool
	room     int // how large the body of a request is going to be, by the last one
	channels channels
	cookies  cookies
	echo     echo.Filter  // of what was sent
	met      atomic.Bool  // something answered, so that its cookies are there
	moved    error        // of a request that the indexer which is asked does not know
	told     sync.Once    // that nothing is acknowledged
	offer    atomic.Int32 // what the token was last seen to have: unknown, acknowledged or unacknowledged

	closing context.Context // ends with Close
	close   context.CancelFunc
}

func open(_ context.Context, env sink.Env, s Settings) (sink.Sink, error) {
	return openOver(s.TLS.Transport(newTransport()), env, s)
}

func openOver(over http.RoundTripper, env sink.Env, s Settings) (sink.Sink, error) {
	for _, warning := range warnings(&s) {
		env.Log.Warn().Msg(warning)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "" // Splunk then takes its own name for it.
	}
	h := &hec{
		settings: s, url: strings.TrimSuffix(s.URL, "/"), log: env.Log,
		envelope: newEnvelope(&s, host), gzips: sync.Pool{New: newGzip},
	}
	h.client = newClient(over, &h.cookies)
	h.moved = h.anotherIndexer()
	h.closing, h.close = context.WithCancel(context.Background())
	return h, nil
}

func warnings(s *Settings) (list []string) {
	if s.TLS.InsecureSkipVerify {
		list = append(list, "tls.insecure_skip_verify: anyone on the way to Splunk can read the token and the events")
	}
	if s.AllowHTTP && strings.HasPrefix(s.URL, "http:") {
		list = append(list, "allow_http: the token and the events are sent in clear text")
	}
	return list
}

const (
	batchRecords = 32_000
	batchBytes   = 32 << 20
	// overhead is what an envelope may need around a body.
	overhead = 4 << 10
)

// Limits says how much the sink takes at once. Half a queue goes into each
// Publish in the long run (see pipeline.QueueBytes), so that with acknowledgements
// that take ten seconds a lane still delivers over a thousand events a second.
func (h *hec) Limits() sink.Limits {
	return sink.Limits{
		Records:     batchRecords,
		Bytes:       max(batchBytes, int(h.settings.MaxRequestBytes)),
		RecordBytes: int(h.settings.MaxRequestBytes) - overhead,
		Timeout:     h.settings.AckTimeout.Std() + 2*time.Minute,
	}
}

var errClosed = errors.New("sink is closed")

// Publish sends the batch as requests of which several are on their way at once,
// and waits for what becomes of each record.
func (h *hec) Publish(ctx context.Context, batch []sink.Record) error {
	if len(batch) == 0 {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(h.closing, func() { cancel(errClosed) })()
	if h.closing.Err() != nil {
		return h.posting(errClosed)
	}
	if ctx.Err() != nil {
		return h.posting(ctx.Err())
	}
	if h.settings.Ack == ackRequired {
		if err := h.demandAck(ctx); err != nil {
			return err
		}
	}
	p := &publication{hec: h, errs: make([]error, len(batch))}
	p.send(ctx, batch)
	p.confirm(ctx)
	return p.report()
}

// posting says what an error came of.
func (h *hec) posting(err error) error {
	return fmt.Errorf("posting to %s: %w", h.url, err)
}

// unreachable is the error of a request without an answer. That of http.Client
// repeats method and address.
func (h *hec) unreachable(err error) error {
	if wrapped := new(url.Error); errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return sink.Hint(h.posting(h.echo.Error(err)), "see that url is right and that this machine reaches it; HTTPS_PROXY and NO_PROXY are honoured")
}

func (h *hec) unreadable(err error) error {
	return sink.Destination(h.posting(fmt.Errorf("token: %w", err)), "the token cannot be read on this machine")
}

// Close ends a Publish under way, whose records then have an unknown outcome.
func (h *hec) Close() error {
	h.close()
	h.client.CloseIdleConnections()
	return nil
}
