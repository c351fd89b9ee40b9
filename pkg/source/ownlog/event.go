// Package ownlog is the log that Sluice writes of itself: that it started, that a lane is
// not ready, that somebody paused one. It is a log that can be read again like any other,
// so its lanes, such as sluice/siem, have the whole guarantee.
//
// # Files
//
//   - what is said: event.go, product.go with type.go for lanes and formats, writer.go with
//     shorten.go for what is too large
//   - where it is kept: store.go is the contract. files.go keeps it in a directory, with
//     segment.go for its files, settle.go for what other processes and crashes leave,
//     disk.go and error.go; topic.go keeps it in Kafka
//   - how it is read: source.go, reader.go, position.go
package ownlog

import (
	"context"
	"crypto/rand"
	"time"
)

// Name is the name of the source and of its type. No configured source may have it.
const Name = "sluice"

// Action says what an event is about.
type Action string

// The actions. Text is for people; Details has the same as values.
const (
	Started              Action = "sluice.started"
	Stopped              Action = "sluice.stopped"
	ConfigurationLoaded  Action = "sluice.configuration_loaded"
	ConfigurationRefused Action = "sluice.configuration_refused"
	LaneUnready          Action = "sluice.lane_unready"
	LaneReady            Action = "sluice.lane_ready"
	LanePaused           Action = "sluice.lane_paused"
	LaneResumed          Action = "sluice.lane_resumed"
	CredentialRefused    Action = "sluice.credential_refused"
	CredentialChanged    Action = "sluice.credential_changed"
	CredentialExpires    Action = "sluice.credential_expires"
	PositionSet          Action = "sluice.position_set"
	Replayed             Action = "sluice.replayed"
	Redriven             Action = "sluice.redriven"
	DeadLetters          Action = "sluice.dead_letters"
	ClockSkew            Action = "sluice.clock_skew"
	EvidenceBegan        Action = "sluice.evidence_began"
	EvidenceKeyChanged   Action = "sluice.evidence_key_changed"
	Heartbeat            Action = "sluice.heartbeat"
)

// Event is what Sluice says of itself. It never holds a secret.
type Event struct {
	ID       string         `json:"id"`
	Time     time.Time      `json:"time"`
	Action   Action         `json:"action"`
	Actor    *Party         `json:"actor,omitempty"` // who did it: the user who ran a command; nil: Sluice itself
	Subject  Party          `json:"subject"`         // what it is about
	Instance Instance       `json:"instance"`        // which process says so
	Text     string         `json:"text"`            // a sentence for people
	Details  map[string]any `json:"details,omitempty"`
}

// Party is an actor or a subject.
type Party struct {
	ID   string `json:"id,omitempty"`
	Type string `json:"type"` // of a subject: process, configuration, lane, source, sink; of an actor: user
	Name string `json:"name"`
}

// Instance names the process that wrote an event.
type Instance struct {
	Host    string `json:"host"`
	PID     int    `json:"pid"`
	Version string `json:"version"`
}

// New returns an event with an id of its own. The caller sets what else it knows.
func New(action Action, subject Party, text string) Event {
	return Event{ID: "own:" + rand.Text(), Time: time.Now().UTC(), Action: action, Subject: subject, Text: text}
}

// Log takes events of the own log.
type Log interface {
	// Append returns nil once the event is on stable storage. After an error it may be
	// called again with the same event, unless the error is ErrUnfit.
	Append(context.Context, Event) error
}
