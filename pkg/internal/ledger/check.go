package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Check asks whether the lane could be taken: the topics are fit or missing, and its
// transactional.id may be used. It creates nothing and does not take the lane. The line
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
	if err := v.findCoordinator(ctx); err != nil {
		return "", v.explain(fmt.Errorf("checking transactions: %w", err), "")
	}
	line := "positions in topic " + v.settings.Positions
	for _, t := range v.topics() {
		described, err := v.metadata(ctx, t.name)
		if errors.Is(err, kerr.UnknownTopicOrPartition) {
			line += fmt.Sprintf("; topic %s is missing and will be created", t.name)
			continue
		}
		if err != nil {
			return "", v.explain(fmt.Errorf("checking topic %s: %w", t.name, err), t.name)
		}
		config, err := v.requestConfig(ctx, t.name)
		if err != nil {
			return "", err
		}
		if err := faultsError(t.name, t.verify(described, config)); err != nil {
			return "", err
		}
	}
	return line, nil
}

// findCoordinator asks for the broker that coordinates the lane's transactions. Kafka
// answers clients that may describe the transactional.id. At the first such request
// Kafka creates the topic that transactions need, so the answer may take a while.
func (v *view) findCoordinator(ctx context.Context) error {
	return eventually(ctx, func() (again bool, err error) {
		err = v.requestCoordinator(ctx)
		return kerr.IsRetriable(err), err
	})
}

func (v *view) requestCoordinator(ctx context.Context) error {
	const transactions = 1 // FindCoordinator, key_type
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.CoordinatorType = transactions
	req.CoordinatorKey = v.id
	req.CoordinatorKeys = []string{v.id}
	resp, err := v.request(ctx, req)
	if err != nil {
		return err
	}
	found := resp.(*kmsg.FindCoordinatorResponse)
	for _, c := range found.Coordinators {
		return kerr.ErrorForCode(c.ErrorCode)
	}
	return kerr.ErrorForCode(found.ErrorCode)
}
