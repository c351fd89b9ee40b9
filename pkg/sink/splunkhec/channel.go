package splunkhec

import (
	"crypto/rand"
	"fmt"
	"sync"
)

// channels is a pool of HEC channels: GUIDs that a client chooses and sends in
// X-Splunk-Request-Channel.
//
// An indexer numbers the requests of each channel, and only that indexer knows
// whether they are indexed (Splunk, "About HTTP Event Collector Indexer
// Acknowledgment"). A load balancer therefore needs sticky sessions, but may still
// send a request to another indexer (Splunk, "Load balancing configurations for
// Splunk Connect for Kafka"). Then two indexers give the same id to two requests of
// one channel, and true for that id does not show which of them is indexed.
//
// Therefore a channel carries one request at a time. It is reused only after that
// request was acknowledged: otherwise another indexer, or an answer that was lost,
// may have given the channel an id that the sink does not know. So true on a channel
// is always about its one request, whichever indexer answers.
//
// Channels are reused because Splunk keeps each one forever unless ackIdleCleanup is
// set, and accepts at most a million (max_number_of_ack_channel in limits.conf).
type channels struct {
	mu   sync.Mutex
	idle []string
}

// acquire returns a channel without an unacknowledged request.
func (c *channels) acquire() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := len(c.idle) - 1
	if last < 0 {
		return newChannel()
	}
	channel := c.idle[last]
	c.idle = c.idle[:last]
	return channel
}

// release returns a channel whose request was acknowledged.
func (c *channels) release(channel string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = append(c.idle, channel)
}

func newChannel() string {
	var b [16]byte
	// Read never fails: see package crypto/rand.
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80 // version 4 (RFC 9562, section 5.4)
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
