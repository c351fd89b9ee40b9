package ownership

import (
	"context"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
)

// NewOver is New over connections that dial makes.
func NewOver(dial kafkaclient.Dial, s Settings, log zerolog.Logger) *Ownership {
	o := New(s, log)
	o.dial = dial
	return o
}

// OwnersOver is Owners over connections that dial makes.
func OwnersOver(ctx context.Context, dial kafkaclient.Dial, s Settings, log zerolog.Logger) (map[int32]Owner, error) {
	return owners(ctx, s, log, dial)
}
