package ledger_test

import (
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// forgetful makes the client forget a topic as soon as the outcome of a record in it is
// known.
type forgetful struct {
	topic  string
	client *kgo.Client
	times  int // how often it still does so
}

func (f *forgetful) OnNewClient(c *kgo.Client) { f.client = c }

func (f *forgetful) OnProduceRecordUnbuffered(r *kgo.Record, _ error) {
	if r.Topic == f.topic && f.times > 0 {
		f.times--
		f.client.PurgeTopicsFromProducing(f.topic)
	}
}

// kgo ends a transaction for the partitions that it knows. If it knows none, it aborts
// the transaction even when it is asked to commit, and returns nil.
func TestCommitFailsWhereTheClientDoesNotKnowThePartitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network kfake.VirtualNetwork
		c := cluster(t, kfake.ListenFn(network.Listen), kfake.Ports(9092))
		s := settings(c.ListenAddrs())
		s.Dial = network.DialContext
		s.Options = []kgo.Opt{kgo.WithHooks(&forgetful{topic: s.Positions, times: 1})}
		l := open(t, s)
		take(t, l, "")
		if err := l.Commit(within(t), nil, nil, []byte(`1`)); err == nil {
			t.Error("got nil from a transaction that was aborted")
		}
		commit(t, l, `1`)
		take(t, open(t, s), `1`)
	})
}
