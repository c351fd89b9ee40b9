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
// The constant suspects is how often the connection must end with the same message
// first in line. Then the batch is bisected until one message is left: the suspect.
// Then come trials. In each trial a coin decides which message is sent alone on a new
// connection: the suspect, or the control, which the receiver confirmed before. If the
// record is at fault, the receiver ends the connection over the suspect and confirms
// the control, every time. An outage does not know the coin: whatever it does, it
// agrees with one trial with a chance of one in two, and with all trials with a chance
// of one in 2^trials. So no record is rejected because of a receiver that crashes at
// every message, a receiver that crashes at random, or a broken one of two behind a
// balancer. The first trial that disagrees ends the suspicion.
//
// Refused dials, failed handshakes and timeouts prove nothing: such a trial is
// repeated. RELP's serverclose counts as any other end: librelp sends it when it
// stops, but also when it aborts over a message.
//
// # Without a control
//
// Another message of the batch becomes the control once the receiver confirms it. If
// the batch has no other message, and the sink delivered nothing since it was opened,
// a bad record cannot be distinguished from a receiver that crashes at every message.
// Then the record waits and is never rejected.
//
// # Cost
//
// The control arrives again about trials/2 times, with its id.
type suspicion struct {
	first   []byte // the first unconfirmed message when the connection last ended
	ends    int    // ends in a row with that message first
	width   int    // how many messages, from first on, contain the bad one
	control []byte // the last message that the receiver confirmed

	ended     int // trials in which the receiver ended the connection over the suspect
	confirmed int // trials in which it confirmed the control

	// slow waits for the lane's back-off between an end and the next attempt: a trial
	// disagreed, so the receiver may be one that restarts slowly.
	slow bool
	why  error // of the last end
}

const (
	suspects = 3  // ends with the same message first before the search starts
	trials   = 24 // trials that must agree before the record is rejected
)

// role is the purpose of an attempt.
type role int

const (
	asWhole     role = iota // to deliver all messages that are left
	asHalf                  // to deliver half of the messages that contain the bad one
	asSuspect               // a trial of the suspect
	asControl               // a trial of the control
	asCandidate             // to get a control
)

// trial reports whether the attempt needs a connection of its own.
func (r role) trial() bool { return r >= asSuspect }

// outcome is the result of an attempt.
type outcome struct {
	taken int   // confirmed messages, from the first on
	err   error // nil: all were confirmed
	ended bool  // with err: the receiver ended a connection that was open
}

// next chooses which of the remaining messages to send, and the purpose.
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

// answer evaluates the outcome of an attempt. It returns how many of the remaining
// messages were delivered, from the first on, whether another attempt should follow
// at once, and why the others were not delivered. The error is nil once none is left.
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

// narrow evaluates the outcome of an attempt to deliver messages.
func (s *suspicion) narrow(sent, rest *messages, as role, o outcome) (delivered int, again bool, err error) {
	if o.taken == rest.len() {
		*s = suspicion{control: s.control}
		return o.taken, false, nil
	}
	next := rest.at(o.taken)
	switch {
	case o.err != nil && !o.ended:
		return o.taken, false, o.err
	case o.err == nil: // the other half contains the bad message
		s.width -= o.taken
		err = s.undecided()
	default:
		if as == asWhole && !slices.Equal(s.first, next) { // now another message is first
			*s = suspicion{control: s.control, slow: s.slow}
		}
		s.ends, s.width, s.why, err = s.ends+1, sent.len()-o.taken, o.err, o.err
	}
	s.first = slices.Clone(next)
	return o.taken, s.ends >= suspects && (o.err == nil || !s.slow), err
}

// disagreed ends the suspicion after a trial that disagreed.
func (s *suspicion) disagreed() { *s = suspicion{control: s.control, slow: true} }

// agreed counts a trial that agreed, and returns a permanent error once there are
// enough.
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
	err = fmt.Errorf("the receiver ended the connection %d times over this record alone, and took another record %d times in between: %w",
		s.ended, s.confirmed, s.why)
	*s = suspicion{control: s.control}
	return false, sink.Permanent(err)
}

func (s *suspicion) undecided() error {
	return fmt.Errorf("checking whether the receiver ends the connection over one record: %w", s.why)
}

// alone returns the error of a record without a control.
func (s *suspicion) alone() error {
	return sink.Hint(
		fmt.Errorf("the receiver ended the connection %d times over the only record, and took none since the start: %w", s.ends, s.why),
		"see the receiver's log; if it refuses only this record, restart sluice once newer events exist: they prove that the record is at fault, and it becomes a dead letter")
}

// endedByReceiver reports whether an error of an open connection means that the
// receiver ended it, or gave an answer that ends it.
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
