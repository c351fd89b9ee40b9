package ledger

import (
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// verdict reports whether Kafka refused a batch for what is in it.
func verdict(err error) bool {
	return errors.Is(err, kerr.MessageTooLarge) ||
		errors.Is(err, kerr.RecordListTooLarge) ||
		errors.Is(err, kerr.InvalidRecord)
}

// divide says how to go on after records were refused. Kafka refuses a batch as a
// whole, and does not say which record in it is meant. So the first batch refused
// in each partition is cut in the middle, in the next transaction, until one of a
// single record is refused: that one is a sink.BatchError. A batch that was merely
// larger than the topic allows is taken in parts. Only the first own records of all
// are a lane's.
func divide(all []kgo.Record, own int, refused map[int]error, cuts []int) ([]int, error) {
	groups := make(map[string][]int)
	for i := range all {
		if _, ok := refused[i]; ok {
			where := fmt.Sprintf("%s-%d", all[i].Topic, all[i].Partition)
			groups[where] = append(groups[where], i)
		}
	}
	var bad sink.BatchError
	for _, group := range groups {
		first := group[0]
		switch {
		case len(group) > 1:
			cuts = append(cuts, group[len(group)/2])
		case first >= own:
			return nil, fmt.Errorf("topic %s does not take a record with a value of %d bytes: %w", all[first].Topic, len(all[first].Value), refused[first])
		default:
			bad = append(bad, sink.RecordError{Index: first, Err: sink.Permanent(
				fmt.Errorf("record with a body of %d bytes: %w", len(all[first].Value), refused[first]))})
		}
	}
	if len(bad) > 0 {
		return nil, bad
	}
	slices.Sort(cuts)
	return cuts, nil
}
