package syslog

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"syscall"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/syslog/relp"
)

// suspicion finds out whether a receiver ends the connection over one message. Such
// a receiver is rsyslog's imrelp with oversizeMode="abort"
// (https://www.rsyslog.com/doc/reference/parameters/imrelp-oversizemode.html).
//
// # The proof
//
// After suspects ends with the same message first in line, the batch is halved
// until one message is left: the suspect. Then come trials. In each a coin decides
// which message goes out alone on a new connection: the suspect, or the control,
// which the receiver confirmed before. If the record is at fault, the receiver ends
// the connection over the suspect and confirms the control, every time. An outage
// does not know the coin: whatever it does, a trial agrees with it by chance in one
// of two cases, and all trials in one of 2^trials. So a receiver that crashes at
// every message, one that crashes at random, and two behind a balancer of which one
// is broken never make a reject. The first trial that disagrees ends the suspicion.
//
// Refused dials, handshakes that fail and time-outs say nothing: such a trial is
// repeated. RELP's serverclose is an end as any other: librelp sends it when it stops,
// and also when it aborts over a message.
//
// # Without a control
//
// Another message of the batch becomes the control once the receiver confirms it.
// Where the batch holds no other, and the sink delivered nothing since it was opened,
// nothing tells a bad record from a receiver that crashes at every message, however
// often it does. The record then waits: it is never rejected.
//
// # What it costs
//
// The control arrives again about trials/2 times, with its id.
type suspicion struct {
	first   []byte // the first message that was not confirmed when the connection ended last
	ends    int    // in a row with that message first
	width   int    // the receiver ends the connection over one of so many messages, from first on
	control []byte // the last message that the receiver confirmed

	ended     int // trials in which the receiver ended the connection over the suspect
	confirmed int // trials in which it confirmed the control

	// slow leaves the time of the lane's back-off between an end and the next attempt:
	// a trial disagreed, and the receiver may be one that takes a while to restart.
	slow bool
	why  error // of the last end
}

const (
	suspects = 3  // ends with the same message first before it is suspected
	trials   = 24 // that agree before the record is rejected
)

// role is what an attempt is for.
type role int

const (
	asWhole     role = iota // to deliver all that is left
	asHalf                  // to deliver half of what holds the bad message
	asSuspect               // a trial of the suspect
	asControl               // a trial of the control
	asCandidate             // to get a control
)

// trial reports whether the attempt is about one message on a connection of its own.
func (r role) trial() bool { return r >= asSuspect }

// outcome is how an attempt went.
type outcome struct {
	taken int   // messages that were confirmed, from the first on
	err   error // nil: all were
	ended bool  // err: the receiver ended the connection, and not before it was open
}

// next chooses what of the messages that are left is sent, and what for.
func (s *suspicion) next(rest *messages) (*messages, role) {
	width := min(s.width, rest.len())
	switch {
	case s.ends < suspects || !slices.Equal(s.first, rest.at(0)):
		return rest, asWhole
	case width > 1:
		return rest.part(0, width/2), asHalf
	case s.control != nil && rand.N(2) == 0:
		return single(s.control), asControl
	case s.control == nil && rest.len() > 1:
		other := 1 + rand.N(rest.len()-1)
		return rest.part(other, other+1), asCandidate
	}
	return rest.part(0, 1), asSuspect
}

// answer takes in the outcome of an attempt. It returns how many of the messages
// that are left were delivered, from the first on, why the others were not, and
// whether another attempt is to follow at once. The error is nil once none is left.
func (s *suspicion) answer(sent, rest *messages, as role, o outcome) (delivered int, again bool, err error) {
	if o.taken > 0 {
		s.control = append(s.control[:0], sent.at(o.taken-1)...)
	}
	switch {
	case as == asWhole || as == asHalf:
		return s.narrow(sent, rest, as, o)
	case o.err != nil && !o.ended:
		return 0, false, o.err
	case as == asCandidate && o.err == nil:
		return 0, true, s.undecided()
	case as == asSuspect && o.err == nil:
		err := s.undecided()
		s.disagreed()
		if rest.len() == 1 {
			err = nil
		}
		return 1, false, err
	case as != asSuspect && o.ended:
		s.disagreed()
		return 0, false, o.err
	}
	again, err = s.agreed(as, o.err)
	return 0, again, err
}

// narrow is told how it went to deliver some of the messages that are left.
func (s *suspicion) narrow(sent, rest *messages, as role, o outcome) (delivered int, again bool, err error) {
	if o.taken == rest.len() {
		*s = suspicion{control: s.control}
		return o.taken, false, nil
	}
	next := rest.at(o.taken)
	switch {
	case o.err != nil && !o.ended:
		return o.taken, false, o.err
	case o.err == nil: // So the other half holds the bad message.
		s.width -= o.taken
		err = s.undecided()
	default:
		if as == asWhole && !slices.Equal(s.first, next) { // Another message is under suspicion.
			*s = suspicion{control: s.control, slow: s.slow}
		}
		s.ends, s.width, s.why, err = s.ends+1, sent.len()-o.taken, o.err, o.err
	}
	s.first = slices.Clone(next)
	return o.taken, s.ends >= suspects && (o.err == nil || !s.slow), err
}

// disagreed ends the suspicion.
func (s *suspicion) disagreed() { *s = suspicion{control: s.control, slow: true} }

// agreed counts a trial, and returns a permanent error once there are enough.
func (s *suspicion) agreed(as role, ended error) (again bool, err error) {
	switch {
	case as == asControl:
		s.confirmed++
	case s.control == nil:
		s.ends, s.why = s.ends+1, ended
		return false, s.alone()
	default:
		s.ended, s.why = s.ended+1, ended
	}
	if s.ended+s.confirmed < trials {
		return as == asControl || !s.slow, s.undecided()
	}
	err = fmt.Errorf("the receiver ended the connection over this record alone %d times, and took another record %d times in between: %w",
		s.ended, s.confirmed, s.why)
	*s = suspicion{control: s.control}
	return false, sink.Permanent(err)
}

func (s *suspicion) undecided() error {
	return fmt.Errorf("finding out whether the receiver ends the connection over one record: %w", s.why)
}

// alone is the error of a record that nothing can be compared with.
func (s *suspicion) alone() error {
	return sink.Hint(
		fmt.Errorf("the receiver ended the connection %d times over the only record there is, and took none since the start: %w", s.ends, s.why),
		"see the receiver's log; if it refuses this record alone, restart sluice once newer events exist: they show that the record is at fault, and it becomes a dead letter")
}

// endedByReceiver reports whether an error of an open connection says that the
// receiver ended it, or answered so that it had to end.
func endedByReceiver(err error) bool {
	var refusal *relp.Refusal
	if errors.As(err, &refusal) {
		return true
	}
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, errHalfClosed, errSpoke, relp.ErrServerClosed, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}
