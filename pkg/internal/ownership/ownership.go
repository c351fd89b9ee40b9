// Package ownership decides which replica runs which lanes. A consumer group shares the
// partitions of the positions topic among the replicas; its coordinator is a broker of the
// cluster. The owner of a partition runs the lanes whose positions are in it.
//
// The group is used only for its members and their partitions. No record is fetched
// through it, and its offsets mean nothing.
//
// # What is promised, and what is not
//
// Among replicas that run, a partition has one owner at a time. A replica gives up a
// partition only after everything that ran for it has returned; with cooperative balancing
// the others learn only then that it is free. If the coordinator does not hear from a
// replica for a session, it gives the replica's partitions to others. A replica that does
// not hear from the coordinator therefore suspends all it runs, early enough that
// everything has returned by then; this needs no answer from anyone. If the coordinator
// answers again in time, the replica resumes what it owned all along. If the coordinator
// refused connections meanwhile, as a broker does that is down, the replica joins anew and
// may own other partitions then.
//
// A replica that was stopped for a while (SIGSTOP, a paused machine) may wake up in the
// belief that it still owns what others took over. It suspends as soon as it looks at its
// clock; until then nothing in this package can stop it. This is why the transactions that
// write positions fence it, and why [Partition.Confirm] asks the coordinator before a lane
// is taken.
//
// # Static members
//
// A replica without an instance id leaves the group when it ends, and its partitions move
// within a second or two. A replica with an instance id does not leave: it is expected back
// under the same name, like a pod of a StatefulSet. If it is back within the session, it
// has its partitions again and no other replica notices. If it is not, its partitions move
// when the session ends, as they do after a kill. An instance id thus saves the others a
// rebalance at a quick restart. The price is up to a session without an owner at every
// other end. A second process with the same id puts the first one out of the group.
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
	// session is how long a member may be silent before the coordinator gives its
	// partitions to others. By default brokers accept 6 s or more
	// (group.min.session.timeout.ms).
	session = 10 * time.Second

	// heartbeat is how often a member contacts the coordinator, and therefore how soon
	// it learns of a rebalance.
	heartbeat = time.Second

	// rebalance is how long members have to give up what moves to others.
	rebalance = 10 * time.Second

	// grace is how long run may take to return. A member that cannot reach the
	// coordinator suspends its partitions this long before its session ends.
	grace = 3 * time.Second

	// retry is how long kgo retries a request. Its default for requests about the group
	// is shorter than a session. Then it gives up all partitions, although a broker that
	// restarts may be back within the session. The watch decides instead.
	retry = 3 * session

	// leaving is how long Run tries to leave the group at its end. It takes long only if
	// the coordinator does not answer, or handles others first.
	leaving = 5 * time.Second
)

// Settings say which group shares the partitions of which topic.
type Settings struct {
	Cluster    *kafkaclient.Settings
	Group      string // all replicas are its members, and nobody else
	Topic      string // must exist
	InstanceID string // of a static member; empty: the replica is not static
}

// instance is the instance id in the form that requests need.
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
	lanes  *errgroup.Group     // run for each partition, watch and listen
	asking sync.WaitGroup      // requests to the coordinator
	run    func(context.Context, *Partition) error
	again  chan struct{} // wakes the watch: partitions were assigned

	mu    sync.Mutex
	owned map[int32]*Partition // nil: nothing runs for the partition
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

// Run joins the group and calls run, in a goroutine of its own, for each partition that
// this replica comes to own, until ctx ends. Run is called once.
//
// The context of run ends when the partition is to be given up, when the coordinator was
// silent for too long, and with ctx. run must return within three seconds then, since the
// group waits for it. If the partition is still owned when the coordinator is back, run is
// called again. If run returns an error before its context ended, all others end too, and
// Run returns that error. If run returns an error afterwards, it is logged. If run returns
// nil before its context ended, the partition stays owned and nothing runs for it.
//
// At the end every run has returned, and the replica has left the group unless it is a
// static member. Run returns nil if ctx ended and nothing failed before. Other errors of
// the group are logged, shown by State, and retried.
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
	// kgo joins the group when it has a topic. By then the callbacks find every field
	// set, and the topic is paused, so nothing of it is fetched.
	client.PauseFetchTopics(o.settings.Topic)
	client.AddConsumeTopics(o.settings.Topic)
	err = lanes.Wait()
	o.leave(alive)
	// Close waits for the requests of kgo. Without abort they would not end while the
	// coordinator does not answer.
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
		// Any offset will do that kgo does not have to ask for.
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

// listen takes the errors of kgo. There is nothing else to poll, since nothing is fetched.
func (o *Ownership) listen(ctx context.Context) {
	for ctx.Err() == nil {
		for _, e := range o.client.PollFetches(ctx).Errors() {
			if ctx.Err() == nil {
				o.report.fail(o.settings.explain(fmt.Errorf("group %s: %w", o.settings.Group, e.Err)))
			}
		}
	}
}

// leave tells the coordinator that this replica ends, so the partitions move before the
// session does.
func (o *Ownership) leave(alive context.Context) {
	ctx, cancel := context.WithTimeout(alive, leaving)
	defer cancel()
	if err := o.client.LeaveGroupContext(ctx); err != nil {
		o.log.Warn().Err(err).Str("group", o.settings.Group).Dur("session", session).
			Msg("leaving the group failed; the partitions move to other replicas when the session ends")
	}
}

// State is this replica's state in the group.
type State struct {
	Owned []int32 // partitions that run is called for, in ascending order
	Err   error   // why the group does not work; nil if it does, or if the replica is still joining
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
