// Package httpsink publishes records to any server that takes events over HTTP.
//
// # Guarantee
//
// Publish returns nil once the server has answered every request with a status of
// accept_status, which by default is any of 200 to 299. What the server has done by then is
// its own promise. A request without a complete answer is not delivered and is sent again,
// so a server may get an event twice. Each request has the header Idempotency-Key, which is
// the same for the same body, and each event has its id.
//
// # Requests
//
// body says what a request holds. The events of a batch are cut into requests of at most
// max_request_events and max_request_bytes, which are sent concurrently; with concurrency: 1
// the server gets them in their order. Redirects are not followed.
//
// # Rejects
//
// A status of reject_status means that an event of the request is bad. The request is
// bisected until the event is alone; then it becomes a dead letter, and the others are
// delivered. With a status of split_status the halves of the request are sent, and an event
// that is too large alone is rejected. After a hundred rejects in a row nothing more is
// sent: a server that refuses every event is not meant for them.
//
// # Secrets
//
// The address may hold a secret, so messages show only its origin. What was sent in headers
// and in the address is taken out of what the server answers.
//
// # Files
//
// settings, header, auth, status and template are the keys of type http. httpsink, open,
// address and check are the engine. preset is what the types for one service share: datadog,
// sumo and panther are stores of logs; slack, teams and pagerduty tell people, with what alert
// makes of a record, on the cards of slack_card and teams_card.
package httpsink

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/internal/posting"
)

// endpoint is where a sink posts to, and how: what the settings of each type come to.
type endpoint struct {
	method    string                                     // default POST
	url       setting.Secret                             // read again for each request
	allowHTTP bool                                       // url may be http:// and not loopback
	headers   map[string]setting.Secret                  // further headers
	auth      func(http.RoundTripper) posting.Credential // nil: none
	tls       setting.TLS

	encode      func(dst []byte, r *sink.Record) ([]byte, error) // nil: posting.AppendBody
	framing     posting.Framing
	contentType func(first *sink.Record) string
	compression posting.Compression
	maxBytes    int // of a request, before compression
	maxEvents   int // in a request
	recordBytes int // of a body; 0: what fits into a request
	concurrency int
	requests    int           // most requests of one event that a Publish makes; default 1,000
	oldest      time.Duration // see sink.Limits; 0: no limit

	// complete adds to a body that is not compressed; nil: nothing is missing.
	complete func(records []sink.Record, body []byte) []byte

	// pace is the least time between the beginnings of two requests, of which one is in
	// flight; 0: none.
	pace time.Duration

	// judge says what a reply means.
	judge func(posting.Reply) posting.Rule

	// check asks whether the server would take events; nil: only the connection is tried.
	check func(context.Context, *poster) (string, error)
}

// poster is the sink of an endpoint.
type poster struct {
	endpoint
	over     http.RoundTripper
	client   *posting.Client
	requests *posting.Publisher
	next     time.Time // when the next request may begin, with a pace
}

func (e endpoint) open() sink.Sink {
	return e.openOver(e.tls.Transport(posting.NewTransport(e.concurrency)))
}

func (e endpoint) openOver(over http.RoundTripper) sink.Sink {
	p := &poster{endpoint: e, over: over}
	access := posting.Access{Shown: originOf(e.url), Peer: p.peer(), Moved: p.moved}
	if e.auth != nil {
		access.Credential = e.auth(over)
	}
	p.client = posting.NewClient(over, access)
	encode := e.encode
	if encode == nil {
		encode = func(dst []byte, r *sink.Record) ([]byte, error) { return posting.AppendBody(dst, r), nil }
	}
	p.requests = posting.NewPublisher(posting.Plan{
		Append: encode, Framing: e.framing, MaxBytes: e.maxBytes, MaxRecords: e.maxEvents, Concurrency: e.concurrency, Wrap: p.client.Wrap,
	})
	return p
}

// peer describes the server to people.
func (e *endpoint) peer() setting.Peer {
	p := setting.Peer{
		Name: "server", Address: originOf(e.url),
		Plain:     "write http:// in url (and allow_http: true, since events and credential then cross the network in clear text)",
		Encrypted: "write https:// in url",
	}
	if encrypted(p.Address) {
		p.TLS = &e.tls
	}
	return p
}

// moved returns where the sink posts to, which changes if url is in a file. While it cannot be
// read, that is not known.
func (p *poster) moved() (shown string, _ setting.Peer) {
	return originOf(p.url), p.peer()
}

const (
	batchRecords = 32_000
	batchBytes   = 32 << 20
	// batchRequests is how many requests of one event a Publish makes at most for each that
	// may be in flight, so that also a server which takes 300 ms for one is done before a
	// lane that stops gives the batch up (shutdown_timeout).
	batchRequests = 25
)

// Limits returns the largest batch and record.
func (p *poster) Limits() sink.Limits {
	l := sink.Limits{
		Records: min(batchRecords, p.maxEvents*cmp.Or(p.endpoint.requests, batchRequests*p.endpoint.concurrency)), Bytes: max(batchBytes, p.maxBytes),
		RecordBytes: p.recordBytes, Timeout: 4 * time.Minute, OldestEvent: p.oldest,
	}
	if l.RecordBytes == 0 {
		l.RecordBytes = p.maxBytes - len(p.framing.Head) - len(p.framing.Tail)
	}
	return l
}

// Publish sends the batch in several concurrent requests.
func (p *poster) Publish(ctx context.Context, batch []sink.Record) error {
	return p.requests.Publish(ctx, batch, p.post)
}

func (p *poster) post(ctx context.Context, q posting.Request) posting.Answer {
	body, err := q.Encode(p.compression)
	if err != nil {
		return posting.Answer{Verdict: posting.Retry, Err: p.client.Wrap(err)}
	}
	if p.complete != nil {
		body = p.complete(q.Records, body)
	}
	p.keepPace(ctx)
	build := func(ctx context.Context) (*http.Request, error) { return p.request(ctx, q) }
	reply, rule, err := p.client.Post(ctx, build, body, p.judge)
	if err != nil {
		return posting.Answer{Verdict: posting.Retry, Err: err}
	}
	return posting.Answer{Verdict: rule.Verdict, Err: p.client.Fault(reply, rule)}
}

func (p *poster) keepPace(ctx context.Context) {
	if p.pace == 0 {
		return
	}
	posting.Pause(ctx, time.Until(p.next))
	p.next = time.Now().Add(p.pace)
}

// request returns a request without its body and credential.
func (p *poster) request(ctx context.Context, q posting.Request) (*http.Request, error) {
	address, err := p.address()
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, cmp.Or(p.method, http.MethodPost), address.String(), nil)
	if err != nil {
		return nil, err
	}
	if err := p.putHeaders(r); err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", p.contentType(&q.Records[0]))
	if p.compression != posting.None {
		r.Header.Set("Content-Encoding", string(p.compression))
	}
	r.Header[sentIdempotencyKey] = []string{q.Key()}
	r.Header.Set(eventCount, strconv.Itoa(q.Len()))
	return r, nil
}

// address returns the address of the next request. The filter remembers what answers must not show.
func (p *poster) address() (*url.URL, error) {
	text, err := p.url.Value()
	if err == nil {
		err = checkAddress(text, exampleURL, p.allowHTTP)
	}
	if err != nil {
		return nil, unreadable("url", err)
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, unreadable("url", fmt.Errorf("is not an address; write one such as %s", exampleURL))
	}
	p.client.Echo.Sent(hidden(u)...)
	return u, nil
}

// putHeaders puts the headers of the settings into a request. The filter remembers them, with
// the address, in one call, so that it has room for all.
func (p *poster) putHeaders(r *http.Request) error {
	sent := hidden(r.URL)
	for name, secret := range p.headers {
		value, err := secret.Value()
		if err == nil {
			err = checkHeader(secret)
		}
		if err != nil {
			return unreadable("headers."+name, err)
		}
		sent = append(sent, value)
		r.Header.Set(name, value)
	}
	p.client.Echo.Sent(sent...)
	return nil
}

// unreadable returns the error of a value that is read again for each request.
func unreadable(key string, err error) error {
	return sink.Destination(fmt.Errorf("%s: %w", key, err), fmt.Sprintf("make sure that sluice can read %s, and that it is right", key))
}

// Close ends an unfinished Publish, whose records then have an unknown outcome.
func (p *poster) Close() error {
	p.requests.Close()
	p.client.CloseIdleConnections()
	return nil
}
