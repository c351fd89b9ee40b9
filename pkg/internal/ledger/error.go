package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/sluice-siem/sluice/pkg/sink"
)

var (
	errClosed = errors.New("ledger is closed")
	// errNoTopic says that there is no topic of positions, and so no position.
	errNoTopic = errors.New("there is no such topic")
	// errGone says that a position is missing that this ledger has seen.
	errGone = errors.New("its position is gone from the topic, which somebody deleted or emptied")
)

// openTransactions is why a position cannot be read yet.
type openTransactions struct {
	waited   time.Duration
	from, to int64
	cause    error // nil: the time for it was over
}

func (e *openTransactions) Error() string {
	return fmt.Sprintf("transactions that began at %d are open, below the high watermark %d, after %s", e.from, e.to, e.waited)
}

func (e *openTransactions) Unwrap() error      { return e.cause }
func (e *openTransactions) ErrorClass() string { return "open_transaction" }

func (e *openTransactions) Hint() string {
	return "a transaction of another producer in this partition has not ended: it is waited for, since a position may lie behind it. One that outlives its time-out hangs: kafka-transactions.sh find-hanging, and abort it there"
}

// fenced says that another has taken the lane.
type fenced struct{ cause error }

func (e *fenced) Error() string      { return "another has taken the lane: " + e.cause.Error() }
func (e *fenced) Unwrap() error      { return e.cause }
func (e *fenced) ErrorClass() string { return "fenced" }

// expired says that Kafka let go of the producer by itself.
type expired struct{ cause error }

func (e *expired) Error() string {
	if errors.Is(e.cause, kerr.InvalidTxnState) {
		return "the transaction timed out, and Kafka aborted it: " + e.cause.Error()
	}
	return "the transactional id expired, since the lane was idle for too long: " + e.cause.Error()
}

func (e *expired) Unwrap() error      { return e.cause }
func (e *expired) ErrorClass() string { return "expired" }

// endError is about the end of a transaction.
type endError struct{ error }

func (e endError) Unwrap() error { return e.error }

// isExpired reports whether Kafka may have let go of the producer by itself. It says
// the same to one whose expired id another has taken.
func isExpired(err error) bool {
	return errors.Is(err, kerr.InvalidProducerIDMapping) || errors.Is(err, kerr.InvalidTxnState)
}

// isFenced reports whether Kafka no longer takes the producer for the lane's. At
// the end of a transaction every code that is not to be tried again says so, other
// than those of permissions and of a transaction that can only be aborted.
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

// explain adds what to do about an error of a cluster.
func (r *remote) explain(err error, topic string) error {
	if err == nil {
		return nil
	}
	s := &r.settings
	bootstrap := "--bootstrap-server " + strings.Join(s.Cluster.Brokers, ",")
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
		return sink.Destination(err, "the cluster has no transactions (Kafka 2.5 or later has): use one that has, or write delivery: at_least_once and state.type: file")
	case ke == kerr.TransactionalIDAuthorizationFailed:
		return sink.Destination(err, fmt.Sprintf("allow the transactions: kafka-acls.sh %s --add --allow-principal %s --operation Write --operation Describe --resource-pattern-type prefixed --transactional-id %s.", bootstrap, principal, s.Namespace))
	case ke == kerr.TopicAuthorizationFailed && topic == s.Positions:
		return sink.Destination(err, fmt.Sprintf("allow the topic of positions: kafka-acls.sh %s --add --allow-principal %s --operation Read --operation Write --operation Describe --operation DescribeConfigs --topic %s", bootstrap, principal, topic))
	case ke == kerr.TopicAuthorizationFailed && topic == s.DeadLetters && topic != "":
		return sink.Destination(err, fmt.Sprintf("allow the topic of dead letters: kafka-acls.sh %s --add --allow-principal %s --operation Read --operation Write --operation Describe --operation DescribeConfigs --topic %s", bootstrap, principal, topic))
	case ke == kerr.CoordinatorNotAvailable, ke == kerr.CoordinatorLoadInProgress:
		return sink.Hint(err, "no broker coordinates transactions: see the brokers' log; a small cluster needs transaction.state.log.replication.factor and transaction.state.log.min.isr that it can meet")
	case ke == kerr.InvalidTransactionTimeout:
		return sink.Destination(err, "raise transaction.max.timeout.ms of the brokers to 30000 or more")
	case errors.Is(err, context.DeadlineExceeded) && ke == nil:
		return sink.Hint(err, "the brokers, or the coordinator of transactions, do not answer in time: see whether they are up, and reachable under their advertised.listeners")
	}
	return s.Cluster.Explain(err, topic)
}
