package ownership

import (
	"context"
	"errors"
	"fmt"

	"github.com/cenkalti/backoff/v4"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
)

// Owner is a member of the group, as the coordinator knows it.
type Owner struct {
	MemberID   string // given by the coordinator: the client id and something random
	InstanceID string // of a static member
	Host       string // from where it is connected: an address
}

// Owners returns who owns which partition; those that are missing have no
// owner, as all are where the group does not exist. It does not join the group.
// While partitions are being shared out anew it waits for the outcome, for as
// long as ctx lasts.
func Owners(ctx context.Context, s Settings, log zerolog.Logger) (map[int32]Owner, error) {
	return owners(ctx, s, log, nil)
}

func owners(ctx context.Context, s Settings, log zerolog.Logger, dial kafkaclient.Dial) (map[int32]Owner, error) {
	client, err := kafkaclient.New(s.Cluster, log, dial)
	if err != nil {
		return nil, fmt.Errorf("describing group %s: %w", s.Group, err)
	}
	defer client.Close()
	group, err := settled(ctx, kadm.NewClient(client.Client), s.Group)
	if err != nil {
		if trouble := client.Trouble(); trouble != nil {
			err = fmt.Errorf("%w: %w", err, trouble)
		}
		return nil, fmt.Errorf("describing group %s: %w", s.Group, s.explain(err))
	}
	found := make(map[int32]Owner)
	for _, m := range group.Members {
		owner := Owner{MemberID: m.MemberID, Host: m.ClientHost}
		if m.InstanceID != nil {
			owner.InstanceID = *m.InstanceID
		}
		assigned, ok := m.Assigned.AsConsumer()
		if !ok {
			continue
		}
		for _, t := range assigned.Topics {
			if t.Topic != s.Topic {
				continue
			}
			for _, number := range t.Partitions {
				found[number] = owner
			}
		}
	}
	return found, nil
}

// errUnsettled is about a group whose members are known, but not what they own.
var errUnsettled = errors.New("partitions are being shared out anew")

func settled(ctx context.Context, admin *kadm.Client, name string) (kadm.DescribedGroup, error) {
	again := backoff.WithContext(backoff.NewConstantBackOff(heartbeat/4), ctx)
	return backoff.RetryWithData(func() (kadm.DescribedGroup, error) {
		groups, err := admin.DescribeGroups(ctx, name)
		if err != nil {
			return kadm.DescribedGroup{}, backoff.Permanent(err)
		}
		group := groups[name]
		switch {
		case errors.Is(group.Err, kerr.GroupIDNotFound): // Kafka 4 says so, others that it is dead
			return group, nil
		case group.Err != nil:
			return group, backoff.Permanent(group.Err)
		case group.State == "PreparingRebalance", group.State == "CompletingRebalance":
			return group, errUnsettled
		}
		return group, nil
	}, again)
}
