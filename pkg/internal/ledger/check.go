package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
)

// Check asks whether the lane could be taken: the topics are fit or missing, its
// transactional.id may be used, and the brokers that do so can be reached. It creates nothing and does not take the lane. The line
// says what was found.
func (l *Ledger) Check(ctx context.Context) (string, error) {
	p, err := l.cluster.open()
	if err != nil {
		return "", err
	}
	defer p.close()
	return p.check(ctx)
}

func (v *view) check(ctx context.Context) (string, error) {
	if _, err := v.settings.Cluster.Probe(ctx, v.settings.Dial); err != nil {
		return "", err
	}
	coordinator, err := v.findCoordinator(ctx)
	if err != nil {
		return "", v.explain(fmt.Errorf("checking transactions: %w", err), "")
	}
	if err := v.reach(ctx, coordinator); err != nil {
		return "", fmt.Errorf("checking transactions: %w", err)
	}
	line := "positions in topic " + v.settings.Positions
	for _, t := range v.topics() {
		err := v.checkTopic(ctx, t)
		if errors.Is(err, kerr.UnknownTopicOrPartition) {
			line += fmt.Sprintf("; topic %s is missing and will be created", t.name)
			continue
		}
		if err != nil {
			return "", v.explain(fmt.Errorf("checking topic %s: %w", t.name, err), t.name)
		}
	}
	return line, nil
}

func (v *view) checkTopic(ctx context.Context, t topic) error {
	described, err := v.metadata(ctx, t.name)
	if err != nil {
		return err
	}
	leaders, err := kafkaclient.Leaders(described, v.brokers)
	if err != nil {
		return err
	}
	if err := v.reach(ctx, leaders...); err != nil {
		return err
	}
	config, err := v.requestConfig(ctx, t.name)
	if err != nil {
		return err
	}
	return faultsError(t.name, t.verify(described, config))
}

func (v *view) reach(ctx context.Context, needed ...kafkaclient.Member) error {
	return v.settings.Cluster.Reach(ctx, v.settings.Dial, needed)
}

// findCoordinator asks for the broker that coordinates the lane's transactions. Kafka
// answers clients that may describe the transactional.id. At the first such request
// Kafka creates the topic that transactions need, so the answer may take a while.
func (v *view) findCoordinator(ctx context.Context) (found kafkaclient.Member, err error) {
	err = eventually(ctx, func() (again bool, err error) {
		found, err = v.requestCoordinator(ctx)
		return kerr.IsRetriable(err), err
	})
	return found, err
}

func (v *view) requestCoordinator(ctx context.Context) (kafkaclient.Member, error) {
	const transactions = 1 // FindCoordinator, key_type
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.CoordinatorType = transactions
	req.CoordinatorKey = v.id
	req.CoordinatorKeys = []string{v.id}
	resp, err := v.request(ctx, req)
	if err != nil {
		return kafkaclient.Member{}, err
	}
	const part = "coordinates the transactions"
	found := resp.(*kmsg.FindCoordinatorResponse)
	for _, c := range found.Coordinators {
		return kafkaclient.NewMember(c.NodeID, c.Host, c.Port, part), kerr.ErrorForCode(c.ErrorCode)
	}
	return kafkaclient.NewMember(found.NodeID, found.Host, found.Port, part), kerr.ErrorForCode(found.ErrorCode)
}
