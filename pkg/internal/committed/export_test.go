package committed

import "math"

// ReadLog reads the batches of one partition as an answer of the broker holds them.
func ReadLog(data []byte, each func(Record) error) (open []Transaction, next int64, err error) {
	p := newPartition(0, each)
	next, err = batches(data, 0, math.MaxInt64, p.add)
	if err == nil {
		err = p.finish()
	}
	return p.openTransactions(), next, err
}

// ReadAnswer returns the batches in an answer to a Fetch request.
func ReadAnswer(data []byte) ([]byte, error) { return (&fetchResponse{data}).batches() }
