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

// ErrNotOwner says that a partition is not, or no longer, this replica's. What
// runs for it is to return: once the replica is back in the group, it is called
// again for what it owns then.
var ErrNotOwner = errors.New("this replica does not own the partition")

// Partition is one that this replica owns, for as long as the context lasts
// that came with it.
type Partition struct {
	Number int32

	owner  *Ownership
	member string // who this replica was in the group when it was started
	ctx    context.Context
	end    context.CancelFunc
	done   chan struct{} // closed when what ran for it has returned
}

// Confirm asks the coordinator whether this replica is still the partition's
// owner.
//
// The answer is nil if the coordinator says so, and an error that wraps
// [ErrNotOwner] if it says no. Any other error means that it said neither, and
// that it may be asked again.
//
// The question is an offset commit, since Kafka holds nothing else against the
// generation of a group and writes down the outcome: a coordinator that was
// itself replaced without knowing it still answers heartbeats. It is not asked
// through kgo's own commits: told that it was put out of the group, kgo would
// join again as somebody else and go on with what it had, without a word.
func (p *Partition) Confirm(ctx context.Context) error {
	err := p.owner.within(ctx, func() error { return p.ask(ctx) })
	if p.ctx.Err() != nil { // even if it was asked in time
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
		return kerr.RebalanceInProgress // it was over just as we asked
	}
	return err
}

// topic names the topic as the brokers of any version ask for it: by its name, or
// by its id.
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
		return topic, fmt.Errorf("broker described %d topics where one was asked for", len(resp.Topics))
	}
	topic.TopicID = resp.Topics[0].TopicID
	return topic, kerr.ErrorForCode(resp.Topics[0].ErrorCode)
}

// verdict reads the codes that Kafka answers an offset commit with
// (OffsetCommitResponse.json; KIP-345 for the fenced instance).
func verdict(resp *kmsg.OffsetCommitResponse) error {
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return errors.New("the coordinator answered for other partitions than were asked for")
	}
	err := kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
	switch err {
	case kerr.IllegalGeneration, kerr.UnknownMemberID, kerr.FencedInstanceID:
		return fmt.Errorf("%w: %w", ErrNotOwner, err)
	}
	return err
}

// assigned notes what came to be owned; the watch starts it.
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

// revoked returns when nothing runs any more for what is to be given up, or was
// lost: kgo goes on with the group only then.
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

// suspend lets go of what is owned, without giving it up, unless it was started
// by member: empty, it lets go of everything.
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
		if o.owned[p.Number] == p { // else it was revoked meanwhile
			o.owned[p.Number] = nil
		}
	}
}

// finish ends all, and only then waits for each.
func finish(ending []*Partition) {
	for _, p := range ending {
		p.end()
	}
	for _, p := range ending {
		<-p.done
	}
}

// start runs what is owned and does not run, for the member that we are. One
// that was put out of the group while it was joining comes back as another, and
// kgo lets it claim what it had. Others may have run that meanwhile, so what was
// started then has to end first.
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
		p.owner.log.Warn().Err(err).Int32("partition", p.Number).Msg("let go of a partition with an error")
	}
	return nil
}
