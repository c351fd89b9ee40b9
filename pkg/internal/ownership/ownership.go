// Package ownership says which replica runs what: the partitions of the
// positions topic are shared out among the replicas by a consumer group, whose
// coordinator is a broker of the cluster that there is anyway. Whoever owns a
// partition runs the lanes whose positions are in it.
//
// The group is used for its members and their partitions only. No record is
// ever fetched through it, and the offsets it holds say nothing.
//
// # What is promised, and what is not
//
// Among replicas that run, a partition has one owner at a time. A partition is
// given up only after what ran for it has returned, and with cooperative
// balancing the others learn only then that it is free. After a session in which
// it did not hear from a replica the coordinator gives its partitions away. So a
// replica that hears nothing from the coordinator lets go of all by itself, early
// enough for what runs to have returned by then; that needs no answer from
// anyone. If the coordinator is heard of again in time the replica takes up what
// it owned all along. If it refused connections meanwhile, as a broker does that
// is down, the replica joins anew, and what it owns then may be other partitions.
//
// A replica that did not run for a while (SIGSTOP, a paused machine) may wake up
// in the belief that it still owns what others took over. It lets go as soon as
// it looks at its clock, but until then nothing here can hold it back. This is
// why positions are fenced by the transactions that write them, and why
// [Partition.Confirm] asks the coordinator before a lane is taken.
//
// # Static members
//
// Without an instance id a replica leaves the group when it ends, and its
// partitions move within a second or two. With one it does not: it is expected
// back, under the same name, as a pod of a StatefulSet is. If it is back within
// the session it has its partitions again and no other replica notices; if it
// is not, its partitions move then, as they do if it is killed. So an instance
// id spares the others a rebalance at a quick restart, at the price of up to a
// session without an owner at every other end. A second process under the same
// id puts the first one out of the group.
package ownership

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
)

const (
	// session is how long a member may be silent until the coordinator gives
	// its partitions away. Brokers accept 6 s and more unless told otherwise
	// (group.min.session.timeout.ms).
	session = 10 * time.Second

	// heartbeat is how often a member speaks, and so how soon it learns that
	// the group is about to share out partitions anew.
	heartbeat = time.Second

	// rebalance is how long members have to give up what moves to others.
	rebalance = 10 * time.Second

	// grace is how long what runs for a partition may take to return. A member
	// that cannot reach the coordinator lets go so much before its session ends.
	grace = 3 * time.Second

	// retry is how long kgo tries to get an answer. For what is about the group
	// its default is the session less the pause before the next try, and then it
	// takes all for lost, although a broker that was started anew may be back
	// within the session. How long to believe in it is for the watch to say.
	retry = 3 * session

	// leaving is how long the end of Run waits for the group to be left. It
	// takes long only if the coordinator is gone, or if others are at it.
	leaving = 5 * time.Second
)

// Settings say which group shares out the partitions of which topic.
type Settings struct {
	Cluster    *kafkaclient.Settings
	Group      string // of all replicas, and of nobody else
	Topic      string // it exists
	InstanceID string // makes the replica a static member, unless it is empty
}

// instance is the instance id as requests have it.
func (s *Settings) instance() *string {
	if s.InstanceID == "" {
		return nil
	}
	return &s.InstanceID
}

// Ownership is this replica's part in the group.
type Ownership struct {
	settings Settings
	log      zerolog.Logger
	report   report
	dial     kafkaclient.Dial // nil: as the settings of the cluster say

	client *kafkaclient.Client // from Run on
	lanes  *errgroup.Group     // what runs for partitions, and what watches over it
	asking sync.WaitGroup      // what is being asked of the coordinator
	run    func(context.Context, *Partition) error
	again  chan struct{} // there are partitions for which nothing runs

	mu    sync.Mutex
	owned map[int32]*Partition // nil for those for which nothing runs
}

// New makes an Ownership that has not joined the group.
func New(s Settings, log zerolog.Logger) *Ownership {
	return &Ownership{
		settings: s,
		log:      log,
		report:   report{log: log},
		again:    make(chan struct{}, 1),
		owned:    make(map[int32]*Partition),
	}
}

// Run joins the group and calls run, in a goroutine of its own, for each
// partition that comes to be owned, until ctx ends. It is called once.
//
// The context of run ends when the partition is to be given up, when the
// coordinator was not heard of for too long, and with ctx; run is to return
// within three seconds then, since the group waits for it. If the partition is still owned when
// the coordinator is back, run is called again. An error that run returns by
// itself ends the others and is what Run returns; one that it returns after its
// context ended is logged. If it returns nil by itself, the partition stays
// owned and nothing runs for it.
//
// At the end all of run have returned and the group is left, unless the replica
// is a static member. Run returns nil if ctx ended and nothing failed before;
// all other trouble with the group is waited out, logged, and told by State.
func (o *Ownership) Run(ctx context.Context, run func(context.Context, *Partition) error) error {
	alive, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	client, err := o.connect(alive)
	if err != nil {
		return fmt.Errorf("joining group %s: %w", o.settings.Group, err)
	}
	lanes, ctx := errgroup.WithContext(ctx)
	o.client, o.lanes, o.run = client, lanes, run
	lanes.Go(func() error { o.watch(ctx); return nil })
	lanes.Go(func() error { o.listen(ctx); return nil })
	// Only from here on is there a topic, and so a group to join: the callbacks
	// find everything in its place, and the topic is paused before anything of
	// it could be fetched.
	client.PauseFetchTopics(o.settings.Topic)
	client.AddConsumeTopics(o.settings.Topic)
	err = lanes.Wait()
	o.leave(alive)
	// Close waits for what kgo has under way, which has no end of its own where
	// the coordinator does not answer.
	abort()
	client.Close()
	o.asking.Wait()
	return err
}

func (o *Ownership) connect(alive context.Context) (*kafkaclient.Client, error) {
	opts := []kgo.Opt{
		kgo.WithContext(alive),
		kgo.ConsumerGroup(o.settings.Group),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.SessionTimeout(session),
		kgo.HeartbeatInterval(heartbeat),
		kgo.RebalanceTimeout(rebalance),
		kgo.RetryTimeout(retry),
		kgo.DisableAutoCommit(),
		// Any place will do that need not be asked for.
		kgo.ConsumeResetOffset(kgo.NewOffset().At(0)),
		kgo.OnPartitionsAssigned(o.assigned),
		kgo.OnPartitionsRevoked(o.revoked),
		kgo.OnPartitionsLost(o.revoked),
	}
	if o.settings.InstanceID != "" {
		opts = append(opts, kgo.InstanceID(o.settings.InstanceID))
	}
	return kafkaclient.New(o.settings.Cluster, o.log, o.dial, opts...)
}

// listen takes what kgo has to tell, which are errors only: nothing is fetched.
func (o *Ownership) listen(ctx context.Context) {
	for ctx.Err() == nil {
		for _, e := range o.client.PollFetches(ctx).Errors() {
			if ctx.Err() == nil {
				o.report.fail(o.settings.explain(fmt.Errorf("group %s: %w", o.settings.Group, e.Err)))
			}
		}
	}
}

// leave tells the coordinator, so that it need not wait for the session to end.
func (o *Ownership) leave(alive context.Context) {
	ctx, cancel := context.WithTimeout(alive, leaving)
	defer cancel()
	if err := o.client.LeaveGroupContext(ctx); err != nil {
		o.log.Warn().Err(err).Str("group", o.settings.Group).Dur("session", session).
			Msg("the group could not be left: its partitions move to others when the session ends")
	}
}

// State is what there is to tell about this replica's part in the group.
type State struct {
	Owned []int32 // partitions for which something runs, in ascending order
	Err   error   // why the group is not at work; nil if it is, or is only just being joined
}

// State may be called at any time.
func (o *Ownership) State() State {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := State{Err: o.report.last()}
	for number, p := range o.owned {
		if p != nil && p.ctx.Err() == nil {
			s.Owned = append(s.Owned, number)
		}
	}
	slices.Sort(s.Owned)
	return s
}
