// Package splunkhec publishes records to Splunk by HTTP Event Collector (HEC).
//
// # Guarantee
//
// If the token has indexer acknowledgement, Publish returns nil once Splunk has
// confirmed that every record is indexed. Without it, HEC answers as soon as it has
// the events in memory, and nobody notices if Splunk then loses them. The setting
// ack chooses: required refuses to publish without acknowledgement; auto uses
// acknowledgement if the token has it, and otherwise logs once that it does not;
// off does not use it. (Splunk Cloud has it for Kinesis Firehose alone.)
//
// An event that is not confirmed is not delivered. It is sent again after a lost
// answer, a reset connection, no acknowledgement within ack_timeout, or an indexer
// that does not know its channel; so it may be indexed twice. (A changed cookie
// means nothing; channels and cookies describe what load balancers do.) Therefore
// every event carries its id in an indexed field, with which a search removes
// duplicates:
//
//	index=security | dedup sluice_event_id
//
// # An event in Splunk
//
// The event is the record's body: an object if it is a JSON object, otherwise a
// string, with U+FFFD for bytes that are not UTF-8. Its time is the event's, to the
// millisecond. host, source, sourcetype and index are settings. These indexed fields
// are a contract:
//
//	sluice_event_id      the event's id, the same in every sink and at every attempt
//	sluice_organization  as the source names it; absent if unknown
//	sluice_action        such as deploy_request.queued; absent if unknown
//	sluice_replayed      true if sluice replay sent it again; otherwise absent
//	sluice_own_token     true if it is about Sluice's own credential; otherwise absent
//	sluice_epoch         how often the lane was taken; absent without evidence, like the next
//	sluice_sequence      how many records stand before it in the lane's log
//
// Splunk orders events by their time. The requests of a Publish run concurrently, so
// their events may be indexed in any order.
//
// # Rejects
//
// Splunk takes the events of a request one by one, up to the first that it cannot
// read, and answers with its number. It indexes the events before it. That event
// becomes a dead letter with Splunk's answer, and the events after it are sent
// again. Some servers count from zero and some from one, so both events that the
// number may mean are sent again, each alone: at most one of them is duplicated, and
// no event is rejected in place of its neighbour. If an answer has no number, the
// request is bisected. With acknowledgement, an answer without an ack id confirms
// nothing, so the events before the number are sent again as well.
//
// An error about the token, the index or acknowledgement is no fault of a record: it
// is retried slowly, with a hint.
//
// # Receivers other than Splunk
//
// Many products take events as HEC does. Their URL has a path, they may want another
// auth_scheme, and they may have neither acknowledgement nor a health check. Publish needs
// neither, so Check does not miss them.
//
// # Limitations
//
// The raw endpoint is not used: it has no fields for an id and does not number bad
// events. Requests are not spread over several addresses: a load balancer does that,
// with sticky sessions if there is acknowledgement. No acknowledgement is kept
// beyond its Publish.
//
// The sink was written and tested against package hectest, because Splunk is not
// available in tests. That server does what Splunk's documentation and users of
// other clients describe.
package splunkhec

import (
	"context"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/internal/httpclient"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/internal/posting"
)

type hec struct {
	settings Settings
	at       addresses
	log      zerolog.Logger
	client   *posting.Client
	requests *posting.Publisher
	channels channels
	cookies  cookies
	envelope envelope
	answered atomic.Bool  // a server has answered, so its cookies are known
	moved    error        // of a request whose channel the answering indexer does not know
	warned   sync.Once    // about a token without acknowledgement
	offer    atomic.Int32 // of the token, when last seen: unknown, acknowledged or unacknowledged
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
		host = "" // Splunk then uses its own name.
	}
	h := &hec{
		settings: s, at: addressesOf(s.URL), log: env.Log,
		envelope: newEnvelope(&s, host, env.Dataset),
	}
	h.client = h.newClient(over)
	h.requests = posting.NewPublisher(h.plan())
	h.moved = h.anotherIndexer()
	return h, nil
}

func (h *hec) plan() posting.Plan {
	return posting.Plan{
		Append:   func(dst []byte, r *sink.Record) ([]byte, error) { return h.envelope.append(dst, r), nil },
		Framing:  posting.Bare, // each envelope ends itself
		MaxBytes: int(h.settings.MaxRequestBytes), MaxRecords: h.settings.MaxRequestEvents, Concurrency: concurrency,
		// The sink's very first request goes alone, so that the others have its cookies.
		Alone: func() bool { return !h.answered.Load() },
		Wrap:  h.wrap,
	}
}

func warnings(s *Settings) (list []string) {
	if s.TLS.InsecureSkipVerify {
		list = append(list, "tls.insecure_skip_verify: anyone on the network path to Splunk can read the token and the events")
	}
	if s.AllowHTTP && strings.HasPrefix(s.URL, "http:") {
		list = append(list, "allow_http: the token and the events are sent in clear text")
	}
	if s.Token.Short() && !httpclient.Loopback(s.URL) {
		list = append(list, setting.ShortWarning("token"))
	}
	return list
}

const (
	batchRecords = 32_000
	batchBytes   = 32 << 20
	// overhead is the most that an envelope adds to a body.
	overhead = 4 << 10
)

// Limits returns the largest batch and record. In the long run each Publish gets
// half a queue (see pipeline.QueueBytes): even if acknowledgements take ten seconds,
// a lane delivers over a thousand events a second.
func (h *hec) Limits() sink.Limits {
	return sink.Limits{
		Records:     batchRecords,
		Bytes:       max(batchBytes, int(h.settings.MaxRequestBytes)),
		RecordBytes: int(h.settings.MaxRequestBytes) - overhead,
		Timeout:     h.settings.AckTimeout.Std() + 2*time.Minute,
	}
}

// Publish sends the batch in several concurrent requests, and waits for the outcome
// of each record.
func (h *hec) Publish(ctx context.Context, batch []sink.Record) error {
	return h.requests.Run(ctx, batch, func(ctx context.Context, of *posting.Publication) error {
		if h.settings.Ack == ackRequired {
			if err := h.demandAck(ctx); err != nil {
				return err
			}
		}
		p := &publication{hec: h, Publication: of}
		p.Send(ctx, p.attempt)
		p.confirm(ctx)
		return nil
	})
}

// wrap adds the operation to an error.
func (h *hec) wrap(err error) error { return h.client.Wrap(err) }

// Close ends an unfinished Publish, whose records then have an unknown outcome.
func (h *hec) Close() error {
	h.requests.Close()
	h.client.CloseIdleConnections()
	return nil
}
