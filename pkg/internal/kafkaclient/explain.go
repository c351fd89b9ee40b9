package kafkaclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
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

// Explain classifies an error of a client that writes to topic: what waiting
// alone will not mend becomes a sink.Destination with what to do about it, and
// everything else stays retryable. Whether an error is about a record is for
// the caller to know.
func (s *Settings) Explain(err error, topic string) error {
	if err == nil {
		return nil
	}
	err = s.SASL.clean(err)
	if hint := s.fatal(err, topic); hint != "" {
		return sink.Destination(err, hint)
	}
	if hint := passing(err); hint != "" {
		return sink.Hint(err, hint)
	}
	return err
}

// clean takes the credentials out of an error that may quote what a broker says. One
// that cannot be read is in no error.
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

// passing is a hint at what may well mend itself; empty if there is none.
func passing(err error) string {
	var (
		dns *net.DNSError
		op  *net.OpError
	)
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return "no such host: check brokers, and advertised.listeners of the brokers"
	case errors.Is(err, kerr.NotEnoughReplicas), errors.Is(err, kerr.NotEnoughReplicasAfterAppend):
		return "fewer replicas are in sync than min.insync.replicas of the topic: see which broker is down"
	case errors.As(err, &op):
		return "see whether the brokers are up, and reachable from here under the addresses in their advertised.listeners"
	case errors.Is(err, context.DeadlineExceeded):
		return "the brokers do not answer in time: see whether they are overloaded, and what is on the way to them"
	}
	return ""
}

// fatal is what to do about an error that waiting alone will not mend; empty
// if err is none. The codes are those of Kafka's protocol guide, section Error
// Codes; the commands are in Kafka's bin directory.
func (s *Settings) fatal(err error, topic string) string {
	bootstrap := "--bootstrap-server " + strings.Join(s.Brokers, ",")
	if ke, ok := errors.AsType[*kerr.Error](err); ok {
		switch ke {
		case kerr.UnknownTopicOrPartition, kerr.UnknownTopicID:
			return fmt.Sprintf("create the topic, with partitions and replicas as you need them: kafka-topics.sh %s --create --topic %s --partitions 6 --replication-factor 3", bootstrap, topic)
		case kerr.InvalidTopicException:
			return "Kafka does not accept the name of the topic"
		case kerr.TopicAuthorizationFailed:
			return fmt.Sprintf("allow writing to the topic: kafka-acls.sh %s --add --allow-principal %s --operation Write --operation Describe --topic %s", bootstrap, s.Principal(), topic)
		case kerr.ClusterAuthorizationFailed:
			return fmt.Sprintf("allow an idempotent producer: kafka-acls.sh %s --add --allow-principal %s --operation Write --topic %s (brokers before 3.0: --operation IdempotentWrite --cluster)", bootstrap, s.Principal(), topic)
		case kerr.SaslAuthenticationFailed, kerr.IllegalSaslState:
			return "the broker does not accept the credentials: check sasl.username and sasl.password (or sasl.token)"
		case kerr.UnsupportedSaslMechanism:
			return "the broker's listener does not offer sasl.mechanism: see its sasl.enabled.mechanisms"
		case kerr.InvalidTimestamp:
			return "the broker finds the publish time wrong: set the clocks of this machine and of the broker, or message.timestamp.after.max.ms of the topic"
		case kerr.UnsupportedCompressionType:
			return "the brokers do not know this compression: choose another"
		case kerr.PolicyViolation:
			return "a policy of the cluster forbids this: ask who runs it"
		}
	}
	if e, ok := errors.AsType[*secretError](err); ok {
		return "provide " + e.key + " where the configuration says it is"
	}
	return connection(err)
}

// connection is what to do about TLS, or the lack of it.
func connection(err error) string {
	var (
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		alert     tls.AlertError
		shake     *handshakeError
		eof       *kgo.ErrFirstReadEOF
	)
	switch {
	case errors.As(err, &authority):
		return "the broker's certificate is signed by an authority that is not trusted here: set tls.ca_file"
	case errors.As(err, &host):
		return "the broker's certificate is for another name: connect under that name, or set tls.server_name"
	case errors.As(err, &invalid):
		return "the broker's certificate cannot be used: see its dates and purpose, and the clock of this machine"
	case errors.As(err, &record):
		return "the listener of the broker does not speak TLS: use its TLS port, or remove tls"
	case errors.As(err, &alert):
		return "the broker refuses our side of TLS: set tls.cert_file and tls.key_file to a certificate that it trusts"
	case errors.As(err, &shake):
		return "no TLS handshake comes about: see whether the listener speaks TLS, and whether its files and ours can be read"
	case strings.Contains(err.Error(), "tls alert record"): // kgo has no type for it
		return "the listener of the broker speaks TLS: set tls, if only to {}"
	case errors.As(err, &eof):
		return "the broker hangs up at once: its listener may want TLS or SASL where none is configured, or none where it is; see tls and sasl"
	}
	return ""
}

// refusal reports whether a broker, or we, turned a connection down for a
// reason that the next attempt will meet again. A bare hang-up is none: brokers
// that start or stop hang up too.
func refusal(err error) bool {
	hangup := errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, context.DeadlineExceeded)
	return !hangup && (&Settings{}).fatal(err, "") != ""
}
