package pipeline_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/sink"
)

func TestQueueBytes(t *testing.T) {
	const mib = 1 << 20
	tests := []struct {
		name   string
		limits sink.Limits
		least  int64
		most   int64
	}{
		{"no limits", sink.Limits{}, 16 * mib, 16 * mib},
		{"small batches", sink.Limits{Records: 1, Bytes: 1}, 16 * mib, 16 * mib},
		{"large batches", sink.Limits{Records: 20_000, Bytes: 20 * mib}, 45 * mib, 60 * mib},
		{"many small records", sink.Limits{Records: 1_000_000, Bytes: mib}, 180 * mib, 250 * mib},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := pipeline.QueueBytes(test.limits); got < test.least || got > test.most {
				t.Errorf("got %d, want %d to %d", got, test.least, test.most)
			}
		})
	}
}

// While a Publish of one page takes its time, the queue holds as much as the next Publish
// may take.
func TestASinkIsHandedBatchesAsLargeAsItAllows(t *testing.T) {
	const records = 2000
	synctest.Test(t, func(t *testing.T) {
		taking := make(chan struct{})
		snk := &fakeSink{
			limits: sink.Limits{Records: records, Bytes: records * 11_000},
			answer: func(_ context.Context, n int, _ []sink.Record) error {
				if n == 1 {
					close(taking)
				}
				pass(10 * time.Second)
				return nil
			},
		}
		b := newRig(&eventLog{total: 3 * records, size: 10_000, next: func(at int) error {
			if at > 0 {
				<-taking // A first batch of many pages would leave less space.
			}
			return nil
		}}, snk)
		b.QueueBytes = pipeline.QueueBytes(snk.Limits())
		b.catchUp(t)
		largest := 0
		for _, batch := range snk.publishes() {
			largest = max(largest, len(batch))
		}
		if largest < records*95/100 {
			t.Errorf("at most %d records were published at once, want the %d that the sink allows, or nearly so", largest, records)
		}
	})
}
