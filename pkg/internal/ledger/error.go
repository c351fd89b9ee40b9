package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/sink"
)

var (
	errClosed = errors.New("ledger is closed")
	// ErrNoTopic says that there is no topic of positions, and therefore no position.
	ErrNoTopic = errors.New("the topic does not exist")
	// errGone says that a position is missing that this ledger read or committed before.
	errGone = errors.New("its position is missing: somebody deleted or emptied the topic")
)

// openTransactions says why a position cannot be read yet.
type openTransactions struct {
	waited   time.Duration
	from, to int64
	end      string // the command that ends a transaction which hangs
	cause    error  // nil: it was waited for takeTimeout
}

func (e *openTransactions) Error() string {
	return fmt.Sprintf("a transaction is open after %s; it began at offset %d, below the high watermark %d", e.waited, e.from, e.to)
}

func (e *openTransactions) Unwrap() error      { return e.cause }
func (e *openTransactions) ErrorClass() string { return "open_transaction" }

func (e *openTransactions) ErrorHint() string {
	return "another producer has an open transaction in this partition, and a position may be behind it. The lane waits until it ends. If it began there more than 15 minutes ago, it hangs: look with kafka-transactions.sh find-hanging, also in the topics of records, and abort it: " + e.end
}

// fenced says that another instance took the lane.
type fenced struct{ cause error }

func (e *fenced) Error() string      { return "another instance took the lane: " + e.cause.Error() }
func (e *fenced) Unwrap() error      { return e.cause }
func (e *fenced) ErrorClass() string { return "fenced" }

// expired says that Kafka dropped the producer by itself.
type expired struct{ cause error }

func (e *expired) Error() string {
	if errors.Is(e.cause, kerr.InvalidTxnState) {
		return "the transaction timed out, and Kafka aborted it: " + e.cause.Error()
	}
	return "the transactional.id expired because the lane was idle for too long: " + e.cause.Error()
}

func (e *expired) Unwrap() error      { return e.cause }
func (e *expired) ErrorClass() string { return "expired" }

// endError is an error of the request that ends a transaction.
type endError struct{ error }

func (e endError) Unwrap() error { return e.error }

// isExpired reports whether Kafka may have dropped the producer by itself. Kafka gives the
// same answer to a producer whose id expired and was then taken by another.
func isExpired(err error) bool {
	return errors.Is(err, kerr.InvalidProducerIDMapping) || errors.Is(err, kerr.InvalidTxnState)
}

// isFenced reports whether Kafka no longer accepts the producer for the lane. At the end
// of a transaction every code that is not retriable means that, except the codes about
// permissions and the code of a transaction that can only be aborted.
func isFenced(err error) bool {
	ke, ok := errors.AsType[*kerr.Error](err)
	if !ok {
		return false
	}
	switch ke {
	case kerr.ProducerFenced, kerr.InvalidProducerEpoch, kerr.InvalidProducerIDMapping, kerr.InvalidTxnState:
		return true
	case kerr.TransactionalIDAuthorizationFailed, kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed,
		kerr.TransactionAbortable, kerr.UnknownServerError, kerr.OperationNotAttempted:
		return false
	}
	return errors.As(err, new(endError)) && !ke.Retriable
}

// explain adds a hint to an error of the cluster.
func (r *remote) explain(err error, topic string) error {
	if err == nil {
		return nil
	}
	s := &r.settings
	bootstrap := r.bootstrap()
	principal := s.Cluster.Principal()
	ke, _ := errors.AsType[*kerr.Error](err)
	switch {
	case ke == kerr.UnknownTopicOrPartition, ke == kerr.UnknownTopicID:
		for _, t := range r.topics() {
			if t.name == topic {
				return sink.Destination(err, r.byHand(t))
			}
		}
	case errors.Is(err, errNoTransactions), ke == kerr.UnsupportedVersion, ke == kerr.UnsupportedForMessageFormat:
		return sink.Destination(err, "the cluster does not support transactions: use Kafka 2.5 or later, or set delivery: at_least_once and state.type: file")
	case ke == kerr.TransactionalIDAuthorizationFailed:
		return sink.Destination(err, fmt.Sprintf("allow transactions: kafka-acls.sh %s --add --allow-principal %s --operation Write --operation Describe --resource-pattern-type prefixed --transactional-id %s.", bootstrap, principal, s.Namespace))
	case ke == kerr.TopicAuthorizationFailed && topic == s.Positions:
		return sink.Destination(err, fmt.Sprintf("allow the topic of positions: kafka-acls.sh %s --add --allow-principal %s --operation Read --operation Write --operation Describe --operation DescribeConfigs --topic %s", bootstrap, principal, topic))
	case ke == kerr.TopicAuthorizationFailed && topic == s.OwnLog && topic != "":
		return sink.Destination(err, fmt.Sprintf("allow the topic of the own log: kafka-acls.sh %s --add --allow-principal %s --operation Read --operation Write --operation Describe --operation DescribeConfigs --topic %s", bootstrap, principal, topic))
	case ke == kerr.TopicAuthorizationFailed && topic == s.DeadLetters && topic != "":
		return sink.Destination(err, fmt.Sprintf("allow the topic of dead letters: kafka-acls.sh %s --add --allow-principal %s --operation Read --operation Write --operation Describe --operation DescribeConfigs --topic %s", bootstrap, principal, topic))
	case ke == kerr.TopicAuthorizationFailed && topic == s.Marks && topic != "":
		return sink.Destination(err, fmt.Sprintf("allow the topic of marks: kafka-acls.sh %s --add --allow-principal %s --operation Read --operation Write --operation Describe --operation DescribeConfigs --topic %s", bootstrap, principal, topic))
	case ke == kerr.CoordinatorNotAvailable, ke == kerr.CoordinatorLoadInProgress:
		return sink.Hint(err, "no broker coordinates transactions: see the logs of the brokers. In a small cluster transaction.state.log.replication.factor and transaction.state.log.min.isr must not exceed the number of brokers")
	case ke == kerr.InvalidTransactionTimeout:
		return sink.Destination(err, "raise transaction.max.timeout.ms of the brokers to 30000 or more")
	}
	explained := s.Cluster.Explain(err, topic)
	// A connection that fails until the time is over has a better explanation.
	if errors.Is(err, context.DeadlineExceeded) && ke == nil && failure.Class(explained) != "destination" {
		return sink.Hint(err, "the brokers or the transaction coordinator do not answer in time: check that they are up, and reachable under their advertised.listeners")
	}
	return explained
}
