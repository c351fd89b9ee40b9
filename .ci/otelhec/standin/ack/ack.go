// Package ackextension stands in for the module of that name: what the receiver asks of an
// extension that acknowledges events.
package ackextension

// AckExtension acknowledges events, each with an id of its channel.
type AckExtension interface {
	// ProcessEvent returns the id for an event that arrived.
	ProcessEvent(channel string) (id uint64)
	// Ack says that an event was processed.
	Ack(channel string, id uint64)
	// QueryAcks reports which events were processed. It reports each only once.
	QueryAcks(channel string, ids []uint64) map[uint64]bool
}
