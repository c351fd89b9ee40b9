package ownership

import (
	"context"
	"errors"
	"fmt"

	"github.com/cenkalti/backoff/v4"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
)

// Owner is a member of the group, as the coordinator knows it.
type Owner struct {
	MemberID   string // from the coordinator: the client id and a random part
	InstanceID string // of a static member
	Host       string // the address that it connects from
}

// Owners returns the owner of each partition. A partition that is missing has no owner; if
// the group does not exist, all are missing. Owners does not join the group. During a
// rebalance it waits for the outcome, for as long as ctx lasts.
func Owners(ctx context.Context, s Settings, log zerolog.Logger) (map[int32]Owner, error) {
	return owners(ctx, s, log, nil)
}

func owners(ctx context.Context, s Settings, log zerolog.Logger, dial kafkaclient.Dial) (map[int32]Owner, error) {
	client, err := kafkaclient.New(s.Cluster, log, dial)
	if err != nil {
		return nil, fmt.Errorf("describing group %s: %w", s.Group, err)
	}
	defer client.Close()
	group, err := describe(ctx, client, s.Group)
	if err != nil {
		if trouble := client.Trouble(); trouble != nil {
			err = fmt.Errorf("%w: %w", err, trouble)
		}
		return nil, fmt.Errorf("describing group %s: %w", s.Group, s.explain(err))
	}
	found := make(map[int32]Owner)
	for _, m := range group.Members {
		var assigned kmsg.ConsumerMemberAssignment
		if group.ProtocolType != "consumer" || assigned.ReadFrom(m.MemberAssignment) != nil {
			continue // a member of another kind, or one that has no assignment yet
		}
		owner := Owner{MemberID: m.MemberID, Host: m.ClientHost}
		if m.InstanceID != nil {
			owner.InstanceID = *m.InstanceID
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

// errRebalancing is about a group whose members are known, but not what they own.
var errRebalancing = errors.New("the group is rebalancing")

// describe asks the coordinator about the group until no rebalance is under way.
func describe(ctx context.Context, client *kafkaclient.Client, name string) (kmsg.DescribeGroupsResponseGroup, error) {
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups = []string{name}
	again := backoff.WithContext(backoff.NewConstantBackOff(heartbeat/4), ctx)
	return backoff.RetryWithData(func() (group kmsg.DescribeGroupsResponseGroup, err error) {
		resp, err := req.RequestWith(ctx, client.Client)
		if err == nil && len(resp.Groups) != 1 {
			err = fmt.Errorf("broker described %d groups", len(resp.Groups))
		}
		if err != nil {
			return group, backoff.Permanent(err)
		}
		group = resp.Groups[0]
		err = kerr.ErrorForCode(group.ErrorCode)
		switch {
		case errors.Is(err, kerr.GroupIDNotFound): // Kafka 4 says so, others that it is dead
			return group, nil
		case err != nil:
			return group, backoff.Permanent(err)
		case group.State == "PreparingRebalance", group.State == "CompletingRebalance":
			return group, errRebalancing
		}
		return group, nil
	}, again)
}
