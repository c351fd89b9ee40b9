package ledger_test

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-siem/sluice/pkg/internal/ledger"
)

// The own log has a topic of its own, and needs none of those of lanes.
func TestALogHasOnlyItsTopic(t *testing.T) {
	c := cluster(t)
	s := settings(c.ListenAddrs())
	s.OwnLog = ledger.DefaultOwnLog
	l, err := ledger.OpenLog(s)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.Prepare(within(t)); err != nil {
		t.Fatal(err)
	}
	listed, err := kmsg.NewPtrMetadataRequest().RequestWith(within(t), client(t, c))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, topic := range listed.Topics {
		names = append(names, *topic.Topic)
	}
	if got := strings.Join(names, " "); !strings.Contains(got, s.OwnLog) || strings.Contains(got, s.Positions) || strings.Contains(got, s.DeadLetters) {
		t.Errorf("the topics are %s", got)
	}
}

func TestALogThatMayNotBeRead(t *testing.T) {
	c := cluster(t)
	s := settings(c.ListenAddrs())
	s.OwnLog = ledger.DefaultOwnLog
	l, err := ledger.OpenLog(s)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: s.OwnLog, Err: kerr.TopicAuthorizationFailed})
	if _, err := l.Bounds(within(t)); class(err) != "destination" || !strings.Contains(hint(err), "--operation Read --operation Write --operation Describe --operation DescribeConfigs --topic sluice.own-log") {
		t.Errorf("got %v of class %q with hint %q", err, class(err), hint(err))
	}
}
