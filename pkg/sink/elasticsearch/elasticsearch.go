// Package elasticsearch publishes records to Elasticsearch and OpenSearch with the bulk API.
//
// # Guarantee
//
// Publish returns nil once the server answered for each document that it was created, or
// that it was there already. The server answers after the primary shard and all replicas in
// sync have the document in their translog, which by default is synced to disk before.
//
// The id of a document is made of the organization and the event's id (document_id: event).
// The server creates no second document with an id, and says so (status 409): so what is
// sent again after a lost answer, a crash or a replay is stored once. This holds within one
// backing index of a data stream: what is sent again after a rollover is stored again, with
// the same id. An answer says nothing about records until it has one item for each, in
// order and with its id; otherwise all of them are sent again.
//
// # Documents
//
// A record goes as a document as its format wrote it, if that is a JSON object. With a data
// stream a record without @timestamp gets the event's time there as its first member. A body
// that is no JSON object, as of an event that cannot be decoded, goes into event.original, and
// so does one that nests deeper than 100 levels.
//
// # Rejects
//
// Only items of an answer reject a record: the server could not parse it, its mapping or its
// pipeline refused it, or it went to the failure store of the data stream, which is not where
// anybody looks for events. Busy and unavailable shards are no fault of records; these are
// sent again, alone. Errors of the index, the pipeline or the credential are the
// destination's.
//
// # Limitations
//
// Requests go to the nodes of url alone; others of the cluster are not discovered. There is
// no signature of AWS (SigV4): a proxy such as aws-sigv4-proxy adds it.
//
// The sink is tested with a node of OpenSearch, and with package estest, since Elasticsearch
// is not available in tests.
package elasticsearch

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/internal/httpclient"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/internal/posting"
)

type cluster struct {
	settings  Settings
	target    string // data stream or index
	log       zerolog.Logger
	nodes     nodes
	publisher *posting.Publisher
	documents documents
	warned    sync.Once // that the target is no data stream

	mu    sync.Mutex
	about *product // nil: not known yet
}

func open(_ context.Context, env sink.Env, s Settings) (sink.Sink, error) {
	return openOver(func(t *setting.TLS) http.RoundTripper {
		return t.Transport(posting.NewTransport(concurrency))
	}, env, s)
}

// openOver opens a sink whose nodes each have a transport.
func openOver(over func(*setting.TLS) http.RoundTripper, env sink.Env, s Settings) (sink.Sink, error) {
	for _, warning := range warnings(&s) {
		env.Log.Warn().Msg(warning)
	}
	c := &cluster{
		settings: s, target: s.target(env.Dataset), log: env.Log,
		documents: documents{ids: s.DocumentID == idEvent, stream: s.Index == ""},
	}
	credential := s.authorize(env.Log)
	for _, address := range s.URL {
		c.nodes.all = append(c.nodes.all, &node{base: address, Client: posting.NewClient(
			over(s.TLS.Trust(s.CAFingerprint, hostOf(address))),
			posting.Access{Shown: shownURL(address), Hidden: hiddenParts(address), Peer: s.peer(address), Credential: credential},
		)})
	}
	c.publisher = posting.NewPublisher(posting.Plan{
		Append: c.documents.append, Framing: posting.NDJSON,
		MaxBytes: int(s.MaxRequestBytes), MaxRecords: s.MaxRequestEvents, Concurrency: concurrency,
		Wrap: c.nodes.all[0].Wrap,
	})
	return c, nil
}

const (
	// concurrency is how many requests of a Publish are in flight at once.
	concurrency = 4
	// maxAnswer limits how much of an answer is read.
	maxAnswer = 16 << 20
)

// answerBytes limits how much of the answer to a request is read. It has a few hundred bytes
// for each document, and a few thousand for one that was refused. A reason may repeat a value
// or the name of a field several times.
func answerBytes(q posting.Request) int {
	return min(64<<10+q.Len()*4<<10+8*q.Size(), maxAnswer)
}

// authorize returns what puts the credential into requests; nil if there is none.
func (s *Settings) authorize(log zerolog.Logger) posting.Credential {
	switch c := s.credential(); c.key {
	case "api_key":
		return posting.Token(log, c.key, c.secret, func(r *http.Request, value string) {
			r.Header.Set("Authorization", "ApiKey "+value)
		})
	case "token":
		return posting.Bearer(log, c.key, c.secret)
	case "password":
		return posting.Basic(log, c.key, s.Username, c.secret)
	}
	return nil
}

func warnings(s *Settings) (list []string) {
	credential := s.credential()
	if s.TLS.InsecureSkipVerify {
		list = append(list, "tls.insecure_skip_verify: anyone on the network path to the server can read the credential and the events")
	}
	for _, address := range s.URL {
		if s.AllowHTTP && strings.HasPrefix(strings.ToLower(address), "http:") && !httpclient.Loopback(address) {
			list = append(list, "allow_http: the credential and the events are sent in clear text")
			break
		}
	}
	if credential.secret.IsSet() && credential.secret.Short() && !httpclient.Loopback(s.URL[0]) {
		list = append(list, setting.ShortWarning(credential.key))
	}
	return list
}

const (
	// A batch of this size fills one round of requests by default.
	batchRecords = concurrency * 5000
	batchBytes   = concurrency * 4 << 20
	// overhead is the most that an action, a time and line ends add to a body.
	overhead = 4 << 10
	// recordBytes is the largest record. Both servers take more, but a search shows it slowly.
	recordBytes = 1 << 20
)

// Limits implements sink.Limiter.
func (c *cluster) Limits() sink.Limits {
	return sink.Limits{
		Records:     batchRecords,
		Bytes:       max(batchBytes, int(c.settings.MaxRequestBytes)),
		RecordBytes: min(int(c.settings.MaxRequestBytes)-overhead, recordBytes),
		Timeout:     2 * time.Minute,
	}
}

// Publish sends the batch in several concurrent requests.
func (c *cluster) Publish(ctx context.Context, batch []sink.Record) error {
	if len(batch) == 0 {
		return nil
	}
	return c.publisher.Run(ctx, batch, func(ctx context.Context, p *posting.Publication) error {
		path, err := c.bulkPath(ctx)
		if err != nil {
			return err
		}
		p.Send(ctx, func(ctx context.Context, q posting.Request) posting.Answer { return c.post(ctx, path, q) })
		return nil
	})
}

// bulkPath returns the path of bulk requests. A newer Elasticsearch is told that the target
// is a data stream: where no template makes it one, it would become an index with guessed
// mappings, in which events are stored all the same.
func (c *cluster) bulkPath(ctx context.Context) (string, error) {
	about, err := c.learn(ctx)
	if err != nil {
		return "", err
	}
	query := url.Values{}
	if c.settings.Pipeline != "" {
		query.Set("pipeline", c.settings.Pipeline)
	}
	if c.documents.stream && about.knowsDataStreams() {
		query.Set("require_data_stream", "true")
	}
	path := "/" + url.PathEscape(c.target) + "/_bulk"
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path, nil
}

// post sends one request and judges the answer.
func (c *cluster) post(ctx context.Context, path string, q posting.Request) posting.Answer {
	compression, encoding := posting.None, ""
	if c.settings.Compression == "gzip" {
		compression, encoding = posting.Gzip, "gzip"
	}
	body, err := q.Encode(compression)
	if err != nil {
		return posting.Answer{Verdict: posting.Retry, Err: c.nodes.all[0].Wrap(err)}
	}
	var said outcome
	at, reply, rule, err := c.nodes.post(ctx, call{http.MethodPost, path, "application/x-ndjson", encoding, body, answerBytes(q)}, func(r posting.Reply) posting.Rule {
		said = c.read(r, q)
		return said.rule
	})
	if err != nil {
		return posting.Answer{Verdict: posting.Retry, Err: err}
	}
	if said.each != nil {
		return c.answer(at, said)
	}
	return posting.Answer{Verdict: rule.Verdict, Err: at.FaultOf(said.why, reply, rule)}
}

// Close ends an unfinished Publish, whose records then have an unknown outcome.
func (c *cluster) Close() error {
	c.publisher.Close()
	c.nodes.close()
	return nil
}
