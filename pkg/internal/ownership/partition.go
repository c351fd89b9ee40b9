package ownership

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ErrNotOwner says that this replica does not own a partition, or no longer. run must
// return. Once the replica is back in the group, run is called for what it owns then.
var ErrNotOwner = errors.New("this replica does not own the partition")

// Partition is a partition that this replica owns until the context of run ends.
type Partition struct {
	Number int32

	owner  *Ownership
	member string // the member id of this replica when run was called
	ctx    context.Context
	end    context.CancelFunc
	done   chan struct{} // closed when run has returned
}

// Confirm asks the coordinator whether this replica still owns the partition.
//
// It returns nil if the coordinator says yes, and an error that wraps [ErrNotOwner] if it
// says no. After any other error the answer is unknown, and Confirm may be called again.
//
// The request is an offset commit. It is the only request that Kafka both checks against
// the generation of the group and writes to its log; a coordinator that was replaced and
// does not know it still answers heartbeats. Confirm does not use the commits of kgo: when
// kgo learns that it was put out of the group, it joins again as another member and keeps
// its partitions, without an error.
func (p *Partition) Confirm(ctx context.Context) error {
	err := p.owner.within(ctx, func() error { return p.ask(ctx) })
	if p.ctx.Err() != nil { // the answer may be from before that
		err = ErrNotOwner
	}
	if err != nil {
		return fmt.Errorf("confirming partition %d in group %s: %w", p.Number, p.owner.settings.Group, p.owner.settings.explain(err))
	}
	return nil
}

func (p *Partition) ask(ctx context.Context) error {
	member, generation := p.owner.client.GroupMetadata()
	if member != p.member {
		return ErrNotOwner
	}
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.MemberID, req.Generation = p.owner.settings.Group, member, generation
	req.InstanceID = p.owner.settings.instance()
	topic, err := p.owner.topic(ctx)
	if err != nil {
		return err
	}
	partition := kmsg.NewOffsetCommitRequestTopicPartition()
	partition.Partition = p.Number
	topic.Partitions = append(topic.Partitions, partition)
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(ctx, p.owner.client)
	if err != nil {
		return err
	}
	err = verdict(resp)
	if _, now := p.owner.client.GroupMetadata(); errors.Is(err, kerr.IllegalGeneration) && now != generation {
		return kerr.RebalanceInProgress // a rebalance ended just then; ask again
	}
	return err
}

// topic identifies the topic by its name and by its id: which one a broker needs depends on
// its version.
func (o *Ownership) topic(ctx context.Context) (kmsg.OffsetCommitRequestTopic, error) {
	topic := kmsg.NewOffsetCommitRequestTopic()
	topic.Topic = o.settings.Topic
	asked := kmsg.NewMetadataRequestTopic()
	asked.Topic = &topic.Topic
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = append(req.Topics, asked)
	resp, err := o.client.RequestCachedMetadata(ctx, req, time.Minute)
	if err != nil {
		return topic, err
	}
	if len(resp.Topics) != 1 {
		return topic, fmt.Errorf("the broker described %d topics instead of one", len(resp.Topics))
	}
	topic.TopicID = resp.Topics[0].TopicID
	return topic, kerr.ErrorForCode(resp.Topics[0].ErrorCode)
}

// verdict reads the answer to an offset commit (OffsetCommitResponse.json; KIP-345 for the
// fenced instance).
func verdict(resp *kmsg.OffsetCommitResponse) error {
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return errors.New("the answer of the coordinator is about other partitions")
	}
	err := kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
	switch err {
	case kerr.IllegalGeneration, kerr.UnknownMemberID, kerr.FencedInstanceID:
		return fmt.Errorf("%w: %w", ErrNotOwner, err)
	}
	return err
}

// assigned notes the partitions that this replica now owns. The watch calls run for them.
func (o *Ownership) assigned(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, number := range partitions[o.settings.Topic] {
		o.owned[number] = nil
	}
	select {
	case o.again <- struct{}{}:
	default:
	}
}

// revoked ends what runs for partitions that are to be given up or were lost, and returns
// when it has returned: kgo continues with the group only then.
func (o *Ownership) revoked(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
	o.mu.Lock()
	var ending []*Partition
	for _, number := range partitions[o.settings.Topic] {
		if p := o.owned[number]; p != nil {
			ending = append(ending, p)
		}
		delete(o.owned, number)
	}
	o.mu.Unlock()
	finish(ending)
}

// suspend ends what runs for partitions, but keeps them. It spares what was started under
// the given member id; if that is empty, it ends everything.
func (o *Ownership) suspend(member string) {
	o.mu.Lock()
	ending := slices.DeleteFunc(slices.Collect(maps.Values(o.owned)), func(p *Partition) bool {
		return p == nil || p.member == member
	})
	o.mu.Unlock()
	finish(ending)
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range ending {
		if o.owned[p.Number] == p { // otherwise it was revoked meanwhile
			o.owned[p.Number] = nil
		}
	}
}

// finish ends all partitions before it waits for each.
func finish(ending []*Partition) {
	for _, p := range ending {
		p.end()
	}
	for _, p := range ending {
		<-p.done
	}
}

// start calls run for owned partitions that nothing runs for. A replica that was put out of
// the group while it was joining comes back under another member id, and kgo lets it claim
// the partitions that it had. Others may have run them meanwhile. What was started under
// the former id therefore ends first.
func (o *Ownership) start(ctx context.Context, member string) {
	o.suspend(member)
	o.mu.Lock()
	defer o.mu.Unlock()
	for number, p := range o.owned {
		if p != nil || ctx.Err() != nil {
			continue
		}
		p = &Partition{Number: number, owner: o, member: member, done: make(chan struct{})}
		p.ctx, p.end = context.WithCancel(ctx)
		o.owned[number] = p
		o.lanes.Go(p.run)
	}
}

func (p *Partition) run() error {
	defer close(p.done)
	err := p.owner.run(p.ctx, p)
	switch {
	case err == nil:
		return nil
	case p.ctx.Err() == nil:
		return fmt.Errorf("running partition %d: %w", p.Number, err)
	case !errors.Is(err, context.Canceled):
		p.owner.log.Warn().Err(err).Int32("partition", p.Number).Msg("a partition ended with an error")
	}
	return nil
}
