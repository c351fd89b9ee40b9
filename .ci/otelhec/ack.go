package main

import (
	"context"
	"sync"

	"go.opentelemetry.io/collector/component"
)

var extension = component.MustNewID("ack")

// host has the extensions of a collector.
type host map[component.ID]component.Component

func (h host) GetExtensions() map[component.ID]component.Component { return h }

// acks stands in for OpenTelemetry's extension of that name. The receiver acknowledges an
// event once the next component has it. An id is reported as acknowledged only once.
type acks struct {
	mu       sync.Mutex
	channels map[string]*channel
}

type channel struct {
	last  uint64
	acked map[uint64]bool
}

func newAcks() *acks { return &acks{channels: map[string]*channel{}} }

func (a *acks) Start(context.Context, component.Host) error { return nil }
func (a *acks) Shutdown(context.Context) error              { return nil }

func (a *acks) ProcessEvent(name string) uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.channels[name]
	if c == nil {
		c = &channel{acked: map[uint64]bool{}}
		a.channels[name] = c
	}
	c.last++
	return c.last
}

func (a *acks) Ack(name string, id uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.channels[name].acked[id] = true
}

func (a *acks) QueryAcks(name string, ids []uint64) map[uint64]bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	answers := map[uint64]bool{}
	for _, id := range ids {
		c := a.channels[name]
		answers[id] = c != nil && c.acked[id]
		if answers[id] {
			delete(c.acked, id)
		}
	}
	return answers
}
