package ownlog

import (
	"context"
	"errors"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
)

// DefaultTopic is the name of the topic with the own log.
const DefaultTopic = "sluice.own-log"

// Topic is a Store in a Kafka topic with one partition, which replicas and commands share.
type Topic struct{ Store }

// NewTopic returns the log in a topic. It does not connect to a broker.
func NewTopic(cluster *kafkaclient.Settings, name string, log zerolog.Logger) *Topic { return nil }

// Prepare creates the topic if it is missing, and refuses one with unfit settings.
func (t *Topic) Prepare(ctx context.Context) error { return errors.ErrUnsupported }

// Check finds out what Prepare would return, and changes nothing. The line says what was found.
func (t *Topic) Check(ctx context.Context) (string, error) { return "", errors.ErrUnsupported }
