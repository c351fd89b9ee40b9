package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go/sasl"
	saslplain "github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"github.com/sluice-siem/sluice/pkg/internal/committed"
	"github.com/sluice-siem/sluice/pkg/internal/hostport"
	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// ReadBack implements sink.Readable: it reads what is committed in the topic, with another
// client than the one that wrote it. Records of other lanes and programs in the topic are
// read, too.
func (s *Settings) ReadBack(ctx context.Context, lanes []sink.Env, access sink.Access, each func(sink.Stored) error) error {
	if access != (sink.Access{}) {
		return sink.Hint(fmt.Errorf("topic %s: an address or a token for reading has no use", s.Topic), "leave them out: the topic is read with brokers, tls and sasl of the sink")
	}
	cluster, err := s.cluster()
	if err != nil {
		return fmt.Errorf("topic %s: %w", s.Topic, err)
	}
	open, err := cluster.Read(ctx, s.Topic, func(r committed.Record) error {
		stored := storedOf(&r)
		stored.Place = s.Topic + "/" + strconv.Itoa(r.Partition)
		return each(stored)
	})
	for _, t := range open {
		if len(lanes) > 0 {
			lanes[0].Log.Warn().Str("topic", s.Topic).Int("partition", t.Partition).Int64("offset", t.Offset).Int64("producer", t.Producer).
				Int("records", t.Records).Msg("a transaction is open; its records are not committed yet, and were left out")
		}
	}
	if err != nil {
		return sink.Hint(err, "the user of the sink needs the operation Read on the topic; make sure that brokers, tls and sasl are right")
	}
	return nil
}

// storedOf reads the headers. A header that is there twice is one of a forged record: its
// first value counts.
func storedOf(r *committed.Record) sink.Stored {
	headers := make(map[string]string, len(r.Headers))
	for _, h := range r.Headers {
		if _, twice := headers[h.Key]; !twice {
			headers[h.Key] = string(h.Value)
		}
	}
	number := func(key string) uint64 {
		n, err := strconv.ParseUint(headers[key], 10, 63)
		if err != nil {
			return 0
		}
		return n
	}
	at, err := time.Parse(time.RFC3339Nano, headers["sluice-event-time"])
	if err != nil {
		at = time.Time{}
	}
	return sink.Stored{
		Line: r.Offset, Lane: headers["sluice-lane"],
		Record: sink.Record{
			ID: headers["sluice-event-id"], Organization: headers["sluice-organization"], Action: headers["sluice-action"],
			Format: headers["sluice-format"], MediaType: headers["content-type"], Time: at, Replayed: headers["sluice-replayed"] == "true",
			Epoch: number("sluice-epoch"), Sequence: number("sluice-sequence"), Body: r.Value,
		},
	}
}

// cluster is the cluster for the client that reads.
func (s *Settings) cluster() (c committed.Cluster, err error) {
	for _, broker := range s.Cluster.Brokers {
		host, port, err := hostport.Split(broker)
		if err != nil {
			return c, err
		}
		c.Brokers = append(c.Brokers, net.JoinHostPort(host, cmp.Or(port, "9092")))
	}
	if s.Cluster.TLS.Enabled() {
		if c.TLS, err = s.Cluster.TLS.Config(); err != nil {
			return c, err
		}
	}
	if s.Cluster.SASL != nil {
		c.SASL, err = mechanism(s.Cluster.SASL)
	}
	return c, err
}

// mechanism returns the login of the client that reads.
func mechanism(s *kafkaclient.SASL) (sasl.Mechanism, error) {
	if s.Mechanism == kafkaclient.OAuthBearer {
		token, err := s.Token.Token()
		return bearer(token), err
	}
	password, err := s.Password.Value()
	if err != nil {
		return nil, err
	}
	switch s.Mechanism {
	case kafkaclient.SCRAM256:
		return scram.Mechanism(scram.SHA256, s.Username, password)
	case kafkaclient.SCRAM512:
		return scram.Mechanism(scram.SHA512, s.Username, password)
	}
	return saslplain.Mechanism{Username: s.Username, Password: password}, nil
}

// bearer is the mechanism OAUTHBEARER (RFC 7628) with a token.
type bearer string

func (bearer) Name() string { return kafkaclient.OAuthBearer }

func (b bearer) Start(context.Context) (sasl.StateMachine, []byte, error) {
	return b, []byte("n,,\x01auth=Bearer " + string(b) + "\x01\x01"), nil
}

// Next reads the only answer. One that says something is a refusal; what is in it may repeat
// the token.
func (bearer) Next(_ context.Context, challenge []byte) (bool, []byte, error) {
	if len(challenge) > 0 {
		return false, nil, errors.New("the broker refuses the token")
	}
	return true, nil, nil
}
