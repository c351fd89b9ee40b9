package app

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/checkpoint"
	"github.com/sluice-siem/sluice/pkg/pipeline"
)

// A lane that a reload brings starts on a replica only while that owns its partition, and is
// in the set by the time the partition is given up.
func TestAReplicaStartsOnlyLanesThatItOwns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		b := newBuilder(t.Context(), s.config(t, reloaded), newInMemory(), zerolog.Nop())
		lanes := b.lanes()
		names := lanes.Names()
		r := &replica{shared: inKafka{&checkpoint.TopicSettings{}}, running: map[string]context.Context{}}
		running := func() (list []string) {
			time.Sleep(2 * time.Second)
			synctest.Wait()
			for _, l := range lanes.Statuses() {
				if l.Ready {
					list = append(list, l.Lane)
				}
			}
			return list
		}
		startAll := func() {
			for _, name := range names {
				r.start(lanes, name)
			}
		}
		startAll()
		if got := running(); got != nil {
			t.Errorf("lanes %q run, and this replica owns none", got)
		}
		ours := r.shareOf("b/two")
		if ours == r.shareOf("a/one") {
			t.Fatal("both sources have one partition")
		}
		ctx, cancel := context.WithCancel(t.Context())
		r.open(ours, ctx)
		startAll()
		if got := running(); len(got) != 2 || got[0] != "b/two" || got[1] != "b/six" {
			t.Errorf("lanes %q run, want those of source b", got)
		}
		r.open(ours, nil)
		if got := r.lanesOf(ours, lanes); len(got) != 2 {
			t.Errorf("lanes %q are to end, want those of source b", got)
		}
		lanes.Put(pipeline.Member{Lane: "b/new", Source: "b", Sink: "new", Format: "ecs", Build: func(context.Context) (*pipeline.Lane, error) {
			t.Error("a lane was started although its partition is to be given up")
			return nil, context.Canceled
		}})
		r.start(lanes, "b/new")
		running()
		cancel()
		if err := lanes.Wait(); err != nil {
			t.Error(err)
		}
		if err := b.close(); err != nil {
			t.Error(err)
		}
		s.wantClosed(t, 4)
	})
}
