package ledger_test

import (
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-siem/sluice/pkg/internal/ledger"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// The hint for a missing topic creates a topic that the ledger accepts.
func TestHintForAMissingTopicCreatesThatTopic(t *testing.T) {
	for _, test := range []struct {
		name    string
		brokers int
		want    string // what the hint must contain
	}{
		{"one broker", 1, ""},
		{"three brokers", 3, "--replication-factor 3 --config min.insync.replicas=2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := cluster(t, kfake.NumBrokers(test.brokers), kfake.BrokerConfigs(map[string]string{"default.replication.factor": strconv.Itoa(test.brokers)}))
			s := settings(c.ListenAddrs())
			l := open(t, s)
			take(t, l, "")
			commit(t, l, `1`, "a")
			remove(t, c, s.Positions)
			remove(t, c, s.DeadLetters)
			var advice string
			for range 5 { // The outcome of the first attempts may be unknown.
				err := l.Commit(within(t), records("b"), nil, []byte(`2`))
				if advice = hint(err); strings.Contains(advice, "--create") {
					break
				}
			}
			for _, want := range []string{"kafka-topics.sh", "--topic " + s.Positions + " ", "--partitions 25", "cleanup.policy=compact", test.want} {
				if !strings.Contains(advice, want) {
					t.Errorf("hint %q does not contain %q", advice, want)
				}
			}
			follow(t, c, advice)
			if line, err := open(t, s).Check(within(t)); err != nil || strings.Contains(line, s.Positions+" is missing") {
				t.Errorf("after the hint was followed: got %q and %v, want a topic that is fit", line, err)
			}
		})
	}
}

// A position that disappears while its lane runs was not moved by anybody. If the ledger
// took it for moved, the lane would begin anew.
func TestPositionThatIsGoneIsNotTakenForMoved(t *testing.T) {
	c := cluster(t)
	s := settings(c.ListenAddrs())
	l := open(t, s)
	take(t, l, "")
	commit(t, l, `1`, "a")
	remove(t, c, s.Positions)
	if err := ledger.Prepare(within(t), s); err != nil {
		t.Fatal(err)
	}
	var err error
	for range 5 {
		if err = l.Commit(within(t), records("b"), nil, []byte(`2`)); strings.Contains(hint(err), "checkpoint set") {
			break
		}
	}
	if class(err) != "destination" || !strings.Contains(hint(err), "sluice checkpoint set") || strings.Contains(err.Error(), sink.ErrMoved.Error()) {
		t.Fatalf("got %v of class %q with hint %q, want to be told that the position is gone", err, class(err), hint(err))
	}
	person := open(t, s)
	if err := person.Set(within(t), set(`"chosen"`)); err != nil {
		t.Fatal(err)
	}
	take(t, l, `"chosen"`)
}

// Another client creates the topic with too few partitions, just after the ledger looked
// for it.
func TestTopicThatAnotherCreatesIsVerified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network kfake.VirtualNetwork
		c := cluster(t, kfake.ListenFn(network.Listen), kfake.Ports(9092), kfake.SeedTopics(ledger.Partitions-1, ledger.DefaultPositions))
		s := settings(c.ListenAddrs())
		s.Dial = network.DialContext
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: s.Positions, Err: kerr.UnknownTopicOrPartition})
		_, err := open(t, s).Take(within(t))
		if class(err) != "destination" || !strings.Contains(err.Error(), "it has 24 partitions") || !strings.Contains(hint(err), "--alter --topic "+s.Positions+" --partitions 25") {
			t.Errorf("got %v of class %q with hint %q, want to be told how many partitions there are", err, class(err), hint(err))
		}
	})
}

func remove(t testing.TB, c *kfake.Cluster, topic string) {
	t.Helper()
	req := kmsg.NewPtrDeleteTopicsRequest()
	asked := kmsg.NewDeleteTopicsRequestTopic()
	asked.Topic = kmsg.StringPtr(topic)
	req.Topics = append(req.Topics, asked)
	req.TopicNames = []string{topic}
	resp, err := req.RequestWith(within(t), client(t, c))
	if err == nil {
		err = kerr.ErrorForCode(resp.Topics[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("deleting topic %s: %v", topic, err)
	}
}

func client(t testing.TB, c *kfake.Cluster) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// follow runs the first command of a hint, as kafka-topics.sh would.
func follow(t testing.TB, c *kfake.Cluster, hint string) {
	t.Helper()
	_, command, _ := strings.Cut(hint, "kafka-topics.sh ")
	command, _, _ = strings.Cut(command, ";")
	req := kmsg.NewPtrCreateTopicsRequest()
	asked := kmsg.NewCreateTopicsRequestTopic()
	asked.NumPartitions, asked.ReplicationFactor = -1, -1
	words := strings.Fields(command)
	for i, word := range words {
		if i+1 == len(words) {
			break
		}
		value := words[i+1]
		switch word {
		case "--topic":
			asked.Topic = value
		case "--partitions":
			asked.NumPartitions = int32(number(t, value))
		case "--replication-factor":
			asked.ReplicationFactor = int16(number(t, value))
		case "--config":
			c := kmsg.NewCreateTopicsRequestTopicConfig()
			var text string
			c.Name, text, _ = strings.Cut(value, "=")
			c.Value = &text
			asked.Configs = append(asked.Configs, c)
		}
	}
	req.Topics = append(req.Topics, asked)
	resp, err := req.RequestWith(within(t), client(t, c))
	if err == nil {
		err = kerr.ErrorForCode(resp.Topics[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
}

func number(t testing.TB, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
