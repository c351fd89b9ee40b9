//go:build integration

package ledger_test

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-siem/sluice/pkg/internal/ledger"
)

// isRenamed renames a lane that an instance still runs.
func isRenamed(t *testing.T, b *broker) {
	const name = "renamed"
	b.create(t, name, 1)
	s := b.settings(name)
	running := open(t, s)
	take(t, running, "")
	write(t, running, name, `1`, "a")
	if err := at(t, renamed, s).Rename(within(t), lane); err != nil {
		t.Fatal(err)
	}
	if err := running.Commit(within(t), nil, nil, []byte(`2`)); class(err) != "fenced" {
		t.Errorf("the instance of the former name: got %v, want to be fenced", err)
	}
	expectKept(t, s, map[string]string{renamed: `1`})
	after := at(t, renamed, s)
	take(t, after, `1`)
	if err := after.Commit(within(t), to(name, "b"), nil, []byte(`2`)); err != nil {
		t.Fatal(err)
	}
	expect(t, b.read(t, name), "a", "b")
}

// leavesTraces follows the hint for a deleted topic with the broker's own tool. It then
// looks for records as a user who may read them, and as one who may not.
func leavesTraces(t *testing.T, b *broker) {
	const name = "traces"
	b.create(t, name, 3)
	s := b.settings(name)
	l := open(t, s)
	take(t, l, "")
	record := to(name, "a")
	record[0].Headers = []kgo.RecordHeader{{Key: ledger.HeaderLane, Value: []byte(lane)}}
	if err := l.Commit(within(t), record, nil, []byte(`1`)); err != nil {
		t.Fatal(err)
	}
	b.remove(t, s.Positions)
	var advice string
	for range 5 { // The outcome of the first attempts may be unknown.
		if advice = hint(l.Commit(within(t), nil, nil, []byte(`2`))); strings.Contains(advice, "--create") {
			break
		}
	}
	create, _, _ := strings.Cut(advice, "; or ")
	b.follow(t, create)
	take(t, open(t, s), "")
	if found, err := open(t, s).Traces(within(t)); err != nil || !found.Proof {
		t.Errorf("got %+v and %v, want proof", found, err)
	}
	for _, operation := range []string{"Write", "Describe"} {
		b.run(t, "kafka-acls.sh --bootstrap-server "+b.plain+" --add --allow-principal User:tenant --operation "+operation+" --topic "+name)
	}
	found, err := open(t, b.as("tenant", name)).Traces(within(t))
	if err != nil || found.Proof || !strings.Contains(found.Found, "may not be read") {
		t.Errorf("a user who may not read: got %+v and %v, want to be told so", found, err)
	}
	b.run(t, "kafka-acls.sh --bootstrap-server "+b.plain+" --add --allow-principal User:tenant --operation Read --topic "+name)
	if found, err := open(t, b.as("tenant", name)).Traces(within(t)); err != nil || !found.Proof {
		t.Errorf("a user who may read: got %+v and %v, want proof", found, err)
	}
}

func (b *broker) remove(t *testing.T, topic string) {
	t.Helper()
	req := kmsg.NewPtrDeleteTopicsRequest()
	asked := kmsg.NewDeleteTopicsRequestTopic()
	asked.Topic = &topic
	req.Topics, req.TopicNames = append(req.Topics, asked), []string{topic}
	if _, err := req.RequestWith(within(t), b.client(t)); err != nil {
		t.Fatal(err)
	}
}
