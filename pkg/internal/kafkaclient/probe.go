package kafkaclient

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// answerTimeout is how long a broker may take to accept a connection and to answer the
// first request. A healthy one takes milliseconds.
const answerTimeout = 10 * time.Second

// Probe finds out whether something that speaks Kafka answers at the brokers of the
// settings. It takes a few seconds at most. kgo would try silent ones again and again,
// and could not tell what is wrong. If only some of them answer, silent describes the
// others. dial is nil to connect as the settings say.
func (s *Settings) Probe(ctx context.Context, dial Dial) (silent []string, err error) {
	addresses := make([]string, len(s.Brokers))
	for i, b := range s.Brokers {
		addresses[i] = withPort(b)
	}
	var first error
	for i, err := range s.askAll(ctx, dial, addresses) {
		if err == nil {
			continue
		}
		silent = append(silent, fmt.Sprintf("broker %s: %v", addresses[i], err))
		if first == nil {
			first = err
		}
	}
	if len(silent) < len(addresses) {
		return silent, nil
	}
	hint := failure.Hint(s.Explain(first, ""))
	return nil, sink.Destination(fmt.Errorf("%s", strings.Join(silent, "; ")), hint)
}

// withPort adds the default port, as kgo.SeedBrokers does.
func withPort(broker string) string {
	if _, _, err := net.SplitHostPort(broker); err != nil {
		return net.JoinHostPort(broker, "9092")
	}
	return broker
}

// Member is a broker that a client must reach, and what for.
type Member struct {
	ID      int32
	Address string // that it advertises
	Part    string // such as "leads 2 of 3 partitions of topic audit"
}

// Leaders returns the brokers that lead the partitions of a topic. A partition without a
// leader is an error.
func Leaders(topic kmsg.MetadataResponseTopic, brokers []kmsg.MetadataResponseBroker) (members []Member, err error) {
	leads := map[int32]int{}
	for _, p := range topic.Partitions {
		if p.Leader < 0 {
			return nil, sink.Hint(fmt.Errorf("partition %d has no leader", p.Partition), "check which broker is down: no record can be written to that partition")
		}
		leads[p.Leader]++
	}
	for _, b := range brokers {
		if n := leads[b.NodeID]; n > 0 {
			part := fmt.Sprintf("leads %d of %d partitions of topic %s", n, len(topic.Partitions), *topic.Topic)
			members = append(members, NewMember(b.NodeID, b.Host, b.Port, part))
		}
	}
	return members, nil
}

// NewMember returns a member by the host and the port that it advertises.
func NewMember(id int32, host string, port int32, part string) Member {
	return Member{id, net.JoinHostPort(host, fmt.Sprint(port)), part}
}

// Reach connects to each of the members at the address that it advertises. Clients use
// brokers of the settings only to learn those addresses. So a wrong one keeps every
// record from being written, although the settings are right.
func (s *Settings) Reach(ctx context.Context, dial Dial, members []Member) error {
	addresses := make([]string, len(members))
	for i, m := range members {
		addresses[i] = m.Address
	}
	var texts []string
	hint := ""
	for i, err := range s.askAll(ctx, dial, addresses) {
		if err == nil {
			continue
		}
		m := members[i]
		texts = append(texts, fmt.Sprintf("broker %d %s and advertises %s, which cannot be reached: %v", m.ID, m.Part, m.Address, err))
		if hint == "" {
			hint = s.unreached(err, m)
		}
	}
	if len(texts) == 0 {
		return nil
	}
	return sink.Destination(errors.New(strings.Join(texts, "; ")), hint)
}

func (s *Settings) unreached(err error, m Member) string {
	if a := s.connection(err); a.Stays {
		return a.Hint
	}
	return fmt.Sprintf("%s answers, but a client must reach each broker at the address that it advertises: set advertised.listeners of broker %d to an address that leads to it from here, or run sluice where %s does",
		strings.Join(s.Brokers, ","), m.ID, m.Address)
}

// askAll asks all addresses at once.
func (s *Settings) askAll(ctx context.Context, dial Dial, addresses []string) []error {
	if dial == nil {
		dial = s.dial
	}
	errs := make([]error, len(addresses))
	var group sync.WaitGroup
	for i, address := range addresses {
		group.Go(func() { errs[i] = s.ask(ctx, dial, address) })
	}
	group.Wait()
	return errs
}

// ask connects as a client does, and requests the versions of the API, which a broker
// tells before it authenticates a client (Kafka's protocol guide, section Retrieving
// Supported API Versions).
func (s *Settings) ask(ctx context.Context, dial Dial, address string) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	conn, err := dial(ctx, "tcp", address)
	if err != nil {
		return s.dialled(err, ctx.Err())
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	return s.exchanged(requestVersions(conn), ctx.Err())
}

// requestVersions returns an error unless a broker answers. It needs nothing of the answer.
func requestVersions(conn net.Conn) error {
	const correlation = 1
	request := kmsg.NewRequestFormatter(kmsg.FormatterClientID(DefaultClientID)).AppendRequest(nil, kmsg.NewPtrApiVersionsRequest(), correlation)
	if _, err := conn.Write(request); err != nil {
		return err
	}
	var head [8]byte // size and correlation id (Kafka's protocol guide, section Response Header)
	n, err := io.ReadFull(conn, head[:])
	// The size of an answer begins with 0. An alert of TLS has seven bytes.
	if err != nil && (n == 0 || head[0] == 0) {
		return err
	}
	if binary.BigEndian.Uint32(head[4:]) != correlation {
		return foreign(head)
	}
	return nil
}
