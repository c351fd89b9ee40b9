package splunkhec

import (
	"crypto/rand"
	"fmt"
	"sync"
)

// channels hands out channels of HEC: GUIDs that a client makes up and sends in
// X-Splunk-Request-Channel.
//
// An indexer numbers the requests of each channel, and what became of them only it
// knows (Splunk, "About HTTP Event Collector Indexer Acknowledgment"). A load
// balancer therefore needs sticky sessions, and may still send a request elsewhere
// (Splunk, "Load balancing configurations for Splunk Connect for Kafka"). Then two
// indexers give the same id to two requests of one channel, and a true for that id
// does not say which of them is indexed.
//
// Therefore a channel carries one request at a time. It is used again once that
// request was acknowledged, and otherwise never: on another indexer, or in an
// answer that was lost, it may have an id that nobody here knows. A true on a
// channel is then about the one request on it, whichever indexer says so.
//
// Channels are used again because Splunk keeps each for ever unless ackIdleCleanup
// is set, and takes no more than a million (max_number_of_ack_channel in
// limits.conf).
type channels struct {
	mu   sync.Mutex
	idle []string
}

// take returns a channel on which nothing is open.
func (c *channels) take() string {
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

// release takes back a channel whose request is settled.
func (c *channels) release(channel string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = append(c.idle, channel)
}

func newChannel() string {
	var b [16]byte
	// It never fails: see package crypto/rand.
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80 // version 4 (RFC 9562, section 5.4)
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
