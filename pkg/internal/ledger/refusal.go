package ledger

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// divide says how to go on after records were refused. Kafka refuses a batch as a whole,
// and does not say which record in it is at fault. divide therefore cuts the first refused
// batch of each partition in the middle, for the next transaction. If a refused batch has
// a single record, that record is at fault, and divide returns a sink.BatchError. A batch
// that was only too large in total is taken in parts. The first own records of all are the
// lane's; the others are dead letters and the position.
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
			return nil, fmt.Errorf("topic %s refuses a record with a value of %d bytes: %w", all[first].Topic, len(all[first].Value), refused[first])
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
