package app

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/checkpoint"
	"github.com/sluice-siem/sluice/pkg/internal/ledger"
	"github.com/sluice-siem/sluice/pkg/internal/ownership"
	"github.com/sluice-siem/sluice/pkg/pause"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
)

// inKafka is state.type kafka. A share is a partition of the topic of positions.
type inKafka struct{ *checkpoint.TopicSettings }

func (k inKafka) positions(confirm func(lane string) func(context.Context) error, log zerolog.Logger) sharedPositions {
	return checkpoint.NewTopic(*k.TopicSettings, confirm, log)
}

func (k inKafka) pauses(log zerolog.Logger) *pause.Shared {
	return pause.NewTopic(&k.Cluster, k.Namespace, k.Pauses, log)
}

func (k inKafka) ownLog(log zerolog.Logger) sharedOwnLog {
	return ownlog.NewTopic(&k.Cluster, k.OwnLog, log)
}

func (k inKafka) assignment(log zerolog.Logger) assignment {
	return group{ownership.New(k.group(), log)}
}

func (k inKafka) group() ownership.Settings {
	return ownership.Settings{Cluster: &k.Cluster, Group: k.Group, Topic: k.Positions, InstanceID: k.InstanceID}
}

func (k inKafka) where() string { return "topic " + k.Positions }

func (k inKafka) letters() string { return "topic " + k.DeadLetters }

func (k inKafka) shareOf(source string) string { return shareOfPartition(ledger.Partition(source)) }

func shareOfPartition(number int32) string { return strconv.Itoa(int(number)) }

func (k inKafka) owners(ctx context.Context) (map[string]string, error) {
	owners, err := ownership.Owners(ctx, k.group(), zerolog.Nop())
	names := make(map[string]string)
	for number, o := range owners {
		names[shareOfPartition(number)] = cmp.Or(o.InstanceID, o.MemberID) + o.Host
	}
	return names, err
}

// check finds out who is in the group.
func (k inKafka) check(ctx context.Context) (string, error) {
	owners, err := ownership.Owners(ctx, k.group(), zerolog.Nop())
	members := make(map[string]bool)
	for _, o := range owners {
		members[o.MemberID] = true
	}
	return fmt.Sprintf("group %s has %d replicas", k.Group, len(members)), err
}

// group is a consumer group as an assignment.
type group struct{ *ownership.Ownership }

// Run leaves the sources to the group: its partitions are fixed.
func (g group) Run(ctx context.Context, _ func() []string, run func(context.Context, share) error) error {
	return g.Ownership.Run(ctx, func(ctx context.Context, p *ownership.Partition) error {
		return run(ctx, share{shareOfPartition(p.Number), p.Confirm})
	})
}

func (g group) State() (owned []string, err error) {
	s := g.Ownership.State()
	for _, number := range s.Owned {
		owned = append(owned, shareOfPartition(number))
	}
	return owned, s.Err
}

// patience is short, since the group waits for a lane that moves. A lane whose session
// ends has 3 s. One of them is for a Publish to return after its context ended.
func (g group) patience() time.Duration { return 2 * time.Second }
