package kafkaclient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
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
		return sink.Destination(err, silent.hint)
	}
	if hint := s.fatal(err, topic); hint != "" {
		return sink.Destination(err, hint)
	}
	if hint := passing(err); hint != "" {
		return sink.Hint(err, hint)
	}
	return err
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
func passing(err error) string {
	var (
		dns *net.DNSError
		op  *net.OpError
	)
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return "the name does not resolve: check the setting brokers, and advertised.listeners of the brokers"
	case errors.Is(err, kerr.NotEnoughReplicas), errors.Is(err, kerr.NotEnoughReplicasAfterAppend):
		return "fewer replicas are in sync than min.insync.replicas of the topic: check which broker is down"
	case errors.As(err, &op):
		return "check that the brokers are up, and reachable from here under their advertised.listeners"
	case errors.Is(err, context.DeadlineExceeded):
		return "the brokers do not answer in time: check whether they are overloaded, and the network to them"
	}
	return ""
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
	return connection(err)
}

// connection is a hint for an error of TLS, or of missing TLS.
func connection(err error) string {
	if hint := setting.TLSHint(err, "broker"); hint != "" {
		return hint
	}
	var (
		record tls.RecordHeaderError
		shake  *handshakeError
		eof    *kgo.ErrFirstReadEOF
	)
	switch {
	case errors.As(err, &record):
		return "the listener of the broker does not speak TLS: use its TLS port, or remove tls"
	case errors.As(err, &shake):
		return "the TLS handshake failed: check that the listener speaks TLS, and that the files under tls can be read"
	case strings.Contains(err.Error(), "tls alert record"): // kgo has no type for it
		return "the listener of the broker speaks TLS: set tls, or tls: {} without options"
	case errors.As(err, &eof):
		return "the broker closes the connection at once: its listener may require TLS or SASL, or support neither; check tls and sasl"
	}
	return ""
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
