package kafkaclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/internal/echo"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// Explain classifies an error of a client that writes to topic. An error that waiting does
// not mend becomes a sink.Destination with a hint; any other stays retryable. The caller
// knows whether an error is about a record.
func (s *Settings) Explain(err error, topic string) error {
	if err == nil {
		return nil
	}
	err = s.SASL.clean(err)
	if silent, ok := errors.AsType[*silence](err); ok {
		return sink.Hint(err, silent.hint)
	}
	hint := s.fatal(err, topic)
	switch {
	case hint != "" && refused(err):
		return sink.Refused(err, hint)
	case hint != "":
		return sink.Destination(err, hint)
	}
	if hint := s.passing(err); hint != "" {
		return sink.Hint(err, hint)
	}
	return err
}

// refused reports whether the brokers do not accept the credentials, or do not allow their
// owner what it needs.
func refused(err error) bool {
	return slices.ContainsFunc([]*kerr.Error{
		kerr.SaslAuthenticationFailed, kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed,
	}, func(code *kerr.Error) bool { return errors.Is(err, code) })
}

// clean removes the credentials from an error, which may quote a broker's answer. A
// credential that cannot be read was never sent.
func (s *SASL) clean(err error) error {
	if s == nil {
		return err
	}
	var sent echo.Filter
	for _, secret := range []setting.Secret{s.Password, s.Token} {
		if value, unreadable := secret.Value(); unreadable == nil {
			sent.Sent(value)
		}
	}
	return sent.Error(err)
}

// passing is a hint for an error that may mend itself; empty if there is none.
func (s *Settings) passing(err error) string {
	if errors.Is(err, kerr.NotEnoughReplicas) || errors.Is(err, kerr.NotEnoughReplicasAfterAppend) {
		return "fewer replicas are in sync than min.insync.replicas of the topic: check which broker is down"
	}
	return s.peer().Explain(err).Hint
}

// peer describes the brokers to people.
func (s *Settings) peer() setting.Peer {
	return setting.Peer{
		Name: "broker", Address: strings.Join(s.Brokers, ", "), TLS: s.TLS,
		Plain: "remove tls", Encrypted: "set tls, or tls: {} without options",
		Elsewhere: "clients then use the addresses in advertised.listeners of the brokers, which this machine must reach, too",
	}
}

// fatal is a hint for an error that waiting does not mend; empty for any other error. The
// codes are those of Kafka's protocol guide, section Error Codes. The commands are in
// Kafka's bin directory.
func (s *Settings) fatal(err error, topic string) string {
	bootstrap := "--bootstrap-server " + strings.Join(s.Brokers, ",")
	if ke, ok := errors.AsType[*kerr.Error](err); ok {
		switch ke {
		case kerr.UnknownTopicOrPartition, kerr.UnknownTopicID:
			return fmt.Sprintf("create the topic, with as many partitions and replicas as you need: kafka-topics.sh %s --create --topic %s --partitions 6 --replication-factor 3", bootstrap, topic)
		case kerr.InvalidTopicException:
			return "choose another topic: Kafka does not allow this name"
		case kerr.TopicAuthorizationFailed:
			return fmt.Sprintf("allow writing to the topic: kafka-acls.sh %s --add --allow-principal %s --operation Write --operation Describe --topic %s", bootstrap, s.Principal(), topic)
		case kerr.ClusterAuthorizationFailed:
			return fmt.Sprintf("allow an idempotent producer: kafka-acls.sh %s --add --allow-principal %s --operation Write --topic %s (brokers before 3.0: --operation IdempotentWrite --cluster)", bootstrap, s.Principal(), topic)
		case kerr.SaslAuthenticationFailed, kerr.IllegalSaslState:
			return "the broker does not accept the credentials: check sasl.username and sasl.password (or sasl.token)"
		case kerr.UnsupportedSaslMechanism:
			return "the broker's listener does not offer sasl.mechanism: see its sasl.enabled.mechanisms"
		case kerr.InvalidTimestamp:
			return "the broker rejects the publish time: set the clocks of this machine and of the broker, or message.timestamp.after.max.ms of the topic"
		case kerr.UnsupportedCompressionType:
			return "the brokers do not know this compression: choose another"
		case kerr.PolicyViolation:
			return "a policy of the cluster forbids this: ask its operator"
		}
	}
	if e, ok := errors.AsType[*secretError](err); ok {
		return "provide " + e.key + " where the configuration says it is"
	}
	if a := s.connection(err); a.Stays {
		return a.Hint
	}
	return ""
}

// connection is about an error of TLS, or of missing TLS. What kgo finds out about it is in
// texts alone (broker.go: parseReadSize) and in a type that names no cause.
func (s *Settings) connection(err error) setting.Advice {
	if strings.Contains(err.Error(), "tls alert record") {
		err = fmt.Errorf("%w: %w", setting.ErrSpeaksTLS, err)
	}
	if strings.Contains(err.Error(), "the beginning of an HTTP response") {
		return setting.Advice{Hint: "the port is of an HTTP server: write the address of a Kafka listener in brokers", Stays: true}
	}
	a := s.peer().Explain(err)
	if errors.As(err, new(*kgo.ErrFirstReadEOF)) && !a.Stays {
		a = setting.Advice{Hint: s.hungUp(), Stays: true}
	}
	return a
}

// hungUp is a hint for a broker that ends a connection at the first request. A listener
// does that if it expects TLS or SASL and does not get it.
func (s *Settings) hungUp() string {
	if s.TLS.Enabled() {
		return "check that the port is a listener of Kafka for clients, whether it requires SASL (sasl) or supports none, and whether it accepts tls.cert_file; see the broker's log"
	}
	return "check that the port is a listener of Kafka for clients: a TLS listener needs tls (tls: {} without options), and one with SASL needs sasl; see the broker's log"
}

// IsBadBatch reports whether err is Kafka's answer to a batch that it refuses for what
// is in it.
func IsBadBatch(err error) bool {
	return errors.Is(err, kerr.MessageTooLarge) ||
		errors.Is(err, kerr.RecordListTooLarge) ||
		errors.Is(err, kerr.InvalidRecord)
}

// refusal reports whether the next attempt to connect will fail for the same reason. A
// connection that is closed without a reason does not count: brokers that start or stop
// do that too.
func refusal(err error) bool {
	hangup := errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, context.DeadlineExceeded)
	return !hangup && (&Settings{}).fatal(err, "") != ""
}
