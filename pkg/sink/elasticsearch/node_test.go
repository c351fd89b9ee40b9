package elasticsearch_test

import (
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink/elasticsearch"
	"github.com/sluice-siem/sluice/pkg/sink/elasticsearch/estest"
)

// A node that refuses connections costs nothing: the request goes to another one at once,
// and the node is left out for a while.
func TestANodeIsDown(t *testing.T) {
	bubble(t, estest.Config{}, func(t *testing.T, r *rig) {
		for _, host := range hosts[1:] {
			r.settings.URL = append(r.settings.URL, "http://"+host)
		}
		r.settings.MaxRequestEvents = 10
		r.setDown(hosts[1], true)
		snk, records := r.open(t), batch(200)
		if err := snk.Publish(t.Context(), records); err != nil {
			t.Fatal(err)
		}
		r.wantOnce(t, records)
		if got := r.perNode(); got[0] < 9 || got[2] < 9 || got[1] > 0 {
			t.Errorf("requests by node: %v", got)
		}
		r.setDown(hosts[1], false)
		time.Sleep(29 * time.Second)
		if err := snk.Publish(t.Context(), batch(200)); err != nil {
			t.Fatal(err)
		}
		if got := r.perNode(); got[1] > 0 {
			t.Errorf("the node is asked again too early: %v", got)
		}
		time.Sleep(2 * time.Second)
		if err := snk.Publish(t.Context(), batch(200)); err != nil {
			t.Fatal(err)
		}
		if got := r.perNode(); got[1] == 0 {
			t.Errorf("the node is not asked again: %v", got)
		}
	})
}

// A node that answers wrongly or not at all is left out at the next attempt, and what it may
// have stored is not stored again.
func TestANodeIsInTrouble(t *testing.T) {
	for name, fault := range map[string]estest.Fault{
		"no answer":            {Reset: true},
		"no answer, but taken": {Reset: true, Handled: true},
		"a cut answer":         {Cut: true},
		"unavailable":          {Answer: &estest.Answer{Status: 503, HTML: true}},
		"a gateway gave up":    {Answer: &estest.Answer{Status: 504, HTML: true}, Handled: true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, estest.Config{}, func(t *testing.T, r *rig) {
				r.settings.URL = append(r.settings.URL, "http://"+hosts[1])
				r.Change(func(c *estest.Config) {
					c.Script = func(q estest.Request) estest.Fault {
						if q.Node == 1 && q.Bulk() {
							return fault
						}
						return estest.Fault{}
					}
				})
				snk, records := r.open(t), batch(20)
				// Requests take turns, so that without the fault half of them go to the node.
				failed := 0
				for range 6 {
					if err := snk.Publish(t.Context(), records); err != nil {
						failed++
					}
				}
				if got := r.perNode()[1]; failed != 1 || got != 1 {
					t.Errorf("%d attempts failed, and the node got %d requests; want one", failed, got)
				}
				r.wantOnce(t, records)
			})
		})
	}
}

// If all nodes are down, the error is that of a connection, and the next attempt finds the
// first one that is back.
func TestAllNodesAreDown(t *testing.T) {
	bubble(t, estest.Config{}, func(t *testing.T, r *rig) {
		r.settings.URL = elasticsearch.URLs{"http://" + hosts[0], "http://" + hosts[1]}
		r.setDown(hosts[0], true)
		r.setDown(hosts[1], true)
		snk, records := r.open(t), batch(3)
		if err := snk.Publish(t.Context(), records); classOf(err) != "retry" || len(outcome(3, err)) != 3 {
			t.Errorf("got %v", err)
		}
		r.setDown(hosts[1], false)
		if err := snk.Publish(t.Context(), records); err != nil {
			t.Errorf("one is back: %v", err)
		}
		r.wantOnce(t, records)
	})
}

func (r *rig) perNode() map[int]int {
	n := map[int]int{}
	for _, q := range r.bulks() {
		n[q.Node]++
	}
	return n
}
