package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
)

func (in *instance) open(context.Context) (sink.Sink, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.step() {
		return nil, errPower
	}
	d := &door{in, make(chan struct{})}
	if in.exact {
		return exactDoor{d}, nil
	}
	return d, nil
}

// door is an opened sink of a chronicle's destination.
type door struct {
	*instance
	closed chan struct{}
}

func (d *door) Limits() sink.Limits { return d.limits }
func (d *door) Close() error        { close(d.closed); return nil }

// Publish takes what the answer says, as in a world.
func (d *door) Publish(ctx context.Context, batch []sink.Record) error {
	d.mu.Lock()
	if !d.step() {
		d.mu.Unlock()
		return errPower
	}
	how := at(d.answers, d.publishes)
	d.publishes++
	err := d.treat(how, batch)
	alive := d.step()
	d.mu.Unlock()
	switch {
	case how == hangs || how == hangsTaken:
		<-d.closed
		return errors.New("closed")
	case how == returnsLate:
		<-ctx.Done()
	}
	if !alive {
		return errPower
	}
	return err
}

func (d *door) treat(how answer, batch []sink.Record) error {
	bad := d.faults(batch)
	unclear := errors.New("connection reset")
	switch how {
	case failsBefore, hangs:
		return unclear
	case failsAfter, hangsTaken:
		d.take(batch...)
		return unclear
	case namesNone:
		return sink.BatchError{}
	case namesTwice:
		last := len(batch) - 1
		d.take(batch[:last]...)
		twice := sink.RecordError{Index: last, Err: sink.Permanent(errors.New("twice"))}
		return sink.BatchError{twice, twice}
	case namesBeyond:
		d.take(batch[:len(batch)/2]...)
		return sink.BatchError{{Index: len(batch), Err: sink.Permanent(errors.New("beyond"))}}
	case namesSome:
		for i := range batch {
			if d.refuses(&batch[i]) {
				continue
			}
			if i%3 == 0 {
				bad = append(bad, sink.RecordError{Index: i, Err: errors.New("busy")})
				continue
			}
			d.take(batch[i])
		}
	case refusesBatch:
		if len(bad) > 0 {
			return sink.Permanent(errors.New("a record is malformed"))
		}
		d.take(batch...)
	default:
		d.take(batch...)
	}
	if len(bad) > 0 {
		return bad
	}
	return nil
}

// faults names the records that the destination refuses.
func (in *instance) faults(batch []sink.Record) (bad sink.BatchError) {
	for i := range batch {
		if in.refuses(&batch[i]) {
			bad = append(bad, sink.RecordError{Index: i, Err: sink.Permanent(errors.New("malformed"))})
		}
	}
	return bad
}

// Release hands back a position that the sink kept.
func (d *door) Release(_ context.Context, keep func(pos []byte) error) error {
	d.mu.Lock()
	kept, alive := d.kept, d.step()
	d.owner = d.instance
	d.mu.Unlock()
	if !alive {
		return errPower
	}
	if kept == nil {
		return nil
	}
	if err := keep(kept); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.step() {
		return errPower
	}
	d.kept = nil
	return nil
}

// exactDoor is a sink that keeps the position.
type exactDoor struct{ door *door }

var (
	_ sink.Ledger   = exactDoor{}
	_ sink.Releaser = (*door)(nil)
)

func (d exactDoor) Limits() sink.Limits { return d.door.limits }
func (d exactDoor) Close() error        { return d.door.Close() }
func (d exactDoor) Publish(context.Context, []sink.Record) error {
	return errors.New("publish with a position")
}

func (d exactDoor) Look(context.Context) ([]byte, time.Time, error) {
	panic("a lane looks at nothing")
}
func (d exactDoor) Set(context.Context, func([]byte) ([]byte, error)) error {
	panic("a lane sets nothing")
}
func (d exactDoor) Rejects(context.Context) iter.Seq2[sink.Reject, error] {
	panic("a lane reads no dead letters")
}

func (d exactDoor) Position(context.Context) ([]byte, error) {
	in := d.door.instance
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.step() {
		return nil, errPower
	}
	in.owner, in.unknown = in, ""
	return in.kept, nil
}

func (d exactDoor) PublishAt(_ context.Context, batch []sink.Record, rejects []sink.Reject, pos []byte) error {
	in := d.door.instance
	in.mu.Lock()
	if !in.step() {
		in.mu.Unlock()
		return errPower
	}
	how := at(in.outcomes, in.commits)
	in.commits++
	err := in.commit(how, batch, rejects, pos)
	alive := in.step()
	in.mu.Unlock()
	if how == hangsLost || how == hangsDone {
		<-d.door.closed
		return errors.New("closed")
	}
	if !alive {
		return errPower
	}
	return err
}

func (in *instance) commit(how outcome, batch []sink.Record, rejects []sink.Reject, pos []byte) error {
	if how == setBack || how == setOn || in.sets[in.commits] {
		in.moveTo(in.to)
	}
	if in.owner != in {
		return fmt.Errorf("committing: %w", sink.ErrMoved)
	}
	arguments := fmt.Sprint(len(rejects), " ", string(pos))
	for _, r := range batch {
		arguments += "\n" + string(r.Body)
	}
	if in.unknown != "" && in.unknown != arguments {
		in.blame("after an unclear outcome of %s came %s", in.unknown, arguments)
	}
	again := in.unknown != ""
	in.unknown = ""
	if again && in.done {
		return nil
	}
	switch {
	case len(batch) > 0 && how == busy:
		return sink.BatchError{{Index: 0, Err: errors.New("busy")}}
	case len(batch) > 0 && how == namesOneTwice:
		twice := sink.RecordError{Index: 0, Err: sink.Permanent(errors.New("twice"))}
		return sink.BatchError{twice, twice}
	case how == namesNothing:
		return sink.BatchError{}
	case how == namesNobody:
		return sink.BatchError{{Index: len(batch), Err: sink.Permanent(errors.New("beyond"))}}
	case how == unclearLost, how == hangsLost:
		in.unknown, in.done = arguments, false
		return errors.New("connection reset")
	}
	if bad := in.faults(batch); len(bad) > 0 {
		return fmt.Errorf("partly: %w", bad[:1+len(bad)/2])
	}
	in.kept = append([]byte(nil), pos...)
	in.take(batch...)
	in.bury(rejects)
	if how == unclearDone || how == hangsDone {
		in.unknown, in.done = arguments, true
		return errors.New("connection reset")
	}
	return nil
}
