package ownership

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// repeatAfter is how often a log repeats what has not changed.
const repeatAfter = 5 * time.Minute

// report logs why the group does not work: each class of error at once, and then every
// five minutes.
type report struct {
	log zerolog.Logger

	mu       sync.Mutex
	err      error                // nil: the group works
	failures int                  // since the group last worked
	told     map[string]time.Time // when each class was last logged, since the group last worked
}

func (r *report) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
	r.failures++
	class, now := class(err), time.Now()
	if told, ok := r.told[class]; ok && now.Sub(told) < repeatAfter {
		return
	}
	if r.told == nil {
		r.told = make(map[string]time.Time)
	}
	r.told[class] = now
	event := r.log.Error().Err(err)
	if hint := failure.Hint(err); hint != "" {
		event = event.Str("hint", hint)
	}
	event.Msg("this replica does not know which partitions it owns")
}

func (r *report) mended() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failures > 0 {
		r.log.Info().Int("failures", r.failures).Msg("the group works again")
	}
	r.err, r.failures, r.told = nil, 0, nil
}

func (r *report) last() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// class is what two errors have in common that call for the same remedy.
func class(err error) string {
	if code, ok := errors.AsType[*kerr.Error](err); ok {
		return code.Message
	}
	return failure.Hint(err)
}

// explain adds a hint to an error about the group; the client's settings add it to any
// other error. A member needs to read the topic, by the cluster's access lists, and nothing
// more.
func (s *Settings) explain(err error) error {
	allow := fmt.Sprintf("kafka-acls.sh --bootstrap-server %s --add --allow-principal %s --operation Read",
		strings.Join(s.Cluster.Brokers, ","), s.Cluster.Principal())
	switch {
	case errors.Is(err, kerr.GroupAuthorizationFailed):
		return sink.Destination(err, fmt.Sprintf("allow joining the group: %s --group %s", allow, s.Group))
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return sink.Destination(err, fmt.Sprintf("allow reading the topic: %s --topic %s", allow, s.Topic))
	case errors.Is(err, kerr.FencedInstanceID):
		return sink.Destination(err, fmt.Sprintf("another process joined as instance_id %s: give each its own", s.InstanceID))
	case errors.Is(err, kerr.InconsistentGroupProtocol):
		return sink.Destination(err, fmt.Sprintf("clients of another kind are members of group %s: see kafka-consumer-groups.sh --describe --members, and choose another group", s.Group))
	case errors.Is(err, kerr.InvalidSessionTimeout):
		return sink.Destination(err, fmt.Sprintf("set group.min.session.timeout.ms of the brokers to %d or less", session.Milliseconds()))
	}
	return s.Cluster.Explain(err, s.Topic)
}
