//go:build integration

package ledger_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-siem/sluice/pkg/internal/ledger"
)

func verifiesTopics(t *testing.T, b *broker) {
	t.Run("that are missing are created", func(t *testing.T) { createsTopics(t, b) })
	fit := []string{"cleanup.policy=compact", "segment.bytes=16777216"}
	tests := []struct {
		name       string
		letters    bool
		partitions int32
		config     []string
		want       string
	}{
		{"deleted", false, ledger.Partitions, []string{"cleanup.policy=delete", fit[1]}, "which deletes positions"},
		{"deleted-too", false, ledger.Partitions, []string{"cleanup.policy=compact,delete", fit[1]}, "which deletes positions"},
		{"narrow", false, 24, fit, "it has 24 partitions"},
		{"small", false, ledger.Partitions, append(fit, "max.message.bytes=500000"), "max.message.bytes is 500000"},
		{"large-segments", false, ledger.Partitions, fit[:1], "segment.bytes is 1073741824"},
		{"everything", false, 1, []string{"max.message.bytes=500000"}, "it has 1 partitions"},
		{"letters-compacted", true, 1, []string{"cleanup.policy=compact"}, "which keeps only one dead letter per event"},
		{"letters-small", true, 1, []string{"max.message.bytes=500000"}, "max.message.bytes is 500000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name := "unfit-" + tt.name
			b.create(t, name, 1)
			s := b.settings(name)
			topic := s.Positions
			if tt.letters {
				topic = s.DeadLetters
			}
			b.create(t, topic, tt.partitions, tt.config...)
			l := open(t, s)
			pos, err := l.Take(within(t))
			if class(err) != "destination" || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got position %s and %v of class %q, want %q in it", pos, err, class(err), tt.want)
			}
			b.follow(t, hint(err))
			take(t, l, "")
			write(t, l, name, `1`, "a")
		})
	}
}

// follow does what a hint says.
func (b *broker) follow(t *testing.T, hint string) {
	t.Helper()
	t.Logf("hint: %s", hint)
	for command := range strings.SplitSeq(hint, "; ") {
		_, command, _ = strings.Cut(command, "kafka-")
		b.run(t, "kafka-"+command)
	}
}

// barrier waits until the broker has applied all changes so far. It applies them in the
// order in which they were made, so it creates a topic and waits until that is listed.
func (b *broker) barrier(t *testing.T) {
	t.Helper()
	topic := fmt.Sprint("barrier-", time.Now().UnixNano())
	b.create(t, topic, 1)
	for ctx := within(t); ctx.Err() == nil; {
		if partitions, _ := b.describe(t, topic); partitions > 0 {
			return
		}
	}
	t.Errorf("topic %s was created and is not listed", topic)
}

func createsTopics(t *testing.T, b *broker) {
	const name = "missing"
	b.create(t, name, 1)
	s := b.settings(name)
	take(t, open(t, s), "")
	tests := []struct {
		topic      string
		partitions int
		config     map[string]string
	}{
		{s.Positions, ledger.Partitions, map[string]string{"cleanup.policy": "compact", "segment.bytes": "16777216", "min.insync.replicas": "1"}},
		{s.DeadLetters, 1, map[string]string{"cleanup.policy": "delete", "retention.ms": "-1", "min.insync.replicas": "1"}},
	}
	for _, tt := range tests {
		partitions, config := b.describe(t, tt.topic)
		if partitions != tt.partitions {
			t.Errorf("topic %s: got %d partitions, want %d", tt.topic, partitions, tt.partitions)
		}
		for name, want := range tt.config {
			if got := config[name]; got != want {
				t.Errorf("topic %s: got %s=%s, want %s", tt.topic, name, got, want)
			}
		}
	}
}

func (b *broker) describe(t *testing.T, topic string) (partitions int, config map[string]string) {
	t.Helper()
	c := b.client(t)
	m := kmsg.NewPtrMetadataRequest()
	asked := kmsg.NewMetadataRequestTopic()
	asked.Topic = kmsg.StringPtr(topic)
	m.Topics = append(m.Topics, asked)
	metadata, err := m.RequestWith(within(t), c)
	if err != nil {
		t.Fatal(err)
	}
	d := kmsg.NewPtrDescribeConfigsRequest()
	resource := kmsg.NewDescribeConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, topic
	d.Resources = append(d.Resources, resource)
	described, err := d.RequestWith(within(t), c)
	if err != nil {
		t.Fatal(err)
	}
	config = make(map[string]string)
	for _, c := range described.Resources[0].Configs {
		if c.Value != nil {
			config[c.Name] = *c.Value
		}
	}
	return len(metadata.Topics[0].Partitions), config
}

// needsPermissions follows the hints, one after the other, until a lane works. The hints
// must not ask for more than is needed.
func needsPermissions(t *testing.T, b *broker) {
	t.Run("to create topics", func(t *testing.T) {
		const name = "created"
		b.create(t, name, 1)
		b.permit(t, b.as("creator", name), name, true)
	})
	t.Run("to use topics that somebody else created", func(t *testing.T) {
		const name = "provided"
		b.create(t, name, 1)
		b.permit(t, b.as("tenant", name), name, false)
	})
}

// permit follows hints until a commit succeeds. The lane creates the topics, or somebody
// else does.
func (b *broker) permit(t *testing.T, s ledger.Settings, topic string, creates bool) {
	t.Helper()
	const most = 20 // hints: an access list takes effect after a moment, so a hint may be repeated
	for range most {
		l := open(t, s)
		_, err := l.Take(within(t))
		if err == nil {
			err = l.Commit(within(t), to(topic, "a"), nil, []byte(`1`))
		}
		l.Close()
		if err == nil {
			return
		}
		if class(err) != "destination" || hint(err) == "" {
			t.Fatalf("got %v of class %q with hint %q, want a hint", err, class(err), hint(err))
		}
		t.Logf("%v", err)
		advice := hint(err)
		if create, allow, both := strings.Cut(advice, "; or "); both && creates {
			advice = allow
		} else if both {
			advice = create
		}
		b.follow(t, advice)
	}
	t.Errorf("the lane does not work after %d hints", most)
}
