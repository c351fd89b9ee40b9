package ownership

import (
	"context"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
)

// NewOver is like New, with connections that dial opens.
func NewOver(dial kafkaclient.Dial, s Settings, log zerolog.Logger) *Ownership {
	o := New(s, log)
	o.dial = dial
	return o
}

// OwnersOver is like Owners, with connections that dial opens.
func OwnersOver(ctx context.Context, dial kafkaclient.Dial, s Settings, log zerolog.Logger) (map[int32]Owner, error) {
	return owners(ctx, s, log, dial)
}

// As returns the partition as if it had been started for another member.
func (p *Partition) As(member string) *Partition {
	other := *p
	other.member = member
	return &other
}

// In returns the partition with another context.
func (p *Partition) In(ctx context.Context) *Partition {
	other := *p
	other.ctx = ctx
	return &other
}

// Suspend suspends all partitions. They stay owned.
func (o *Ownership) Suspend() { o.suspend("") }

// StartAs starts all owned partitions for another member.
func (o *Ownership) StartAs(ctx context.Context, member string) { o.start(ctx, member) }

// Revoke gives up partitions.
func (o *Ownership) Revoke(numbers ...int32) {
	o.revoked(context.Background(), nil, map[string][]int32{o.settings.Topic: numbers})
}
