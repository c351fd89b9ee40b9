package ledger_test

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// A cluster without transactions is refused at once, with a hint.
func TestClusterWithoutTransactions(t *testing.T) {
	tests := []struct {
		name string
		opts []kfake.Opt
		code *kerr.Error // answer to a producer; nil: the cluster's own answer
	}{
		{"older than they are", []kfake.Opt{kfake.MaxVersions(without(kmsg.InitProducerID))}, nil},
		{"another version of them", nil, kerr.UnsupportedVersion},
		{"another format of records", nil, kerr.UnsupportedForMessageFormat},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := cluster(t, tt.opts...)
			if tt.code != nil {
				c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, Err: tt.code, Count: -1})
			}
			began := time.Now()
			pos, err := open(t, settings(c.ListenAddrs())).Take(within(t))
			if class(err) != "destination" || !strings.Contains(hint(err), "the cluster does not support transactions") {
				t.Errorf("got position %s and %v of class %q with hint %q, want a hint that the cluster has no transactions", pos, err, class(err), hint(err))
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("the error came only after %v", took)
			}
		})
	}
}

// without returns the versions of a stable release without one kind of request.
func without(key kmsg.Key) *kversion.Versions {
	v := kversion.Stable()
	v.SetMaxKeyVersion(key.Int16(), -1)
	return v
}
