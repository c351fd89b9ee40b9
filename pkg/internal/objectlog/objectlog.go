// Package objectlog keeps the position of a lane in an object store, and commits it in one
// step with the object that holds the lane's records. Whoever lists the store therefore
// sees each event once, however often the process dies and however many instances run the
// lane. It needs nothing but that an object can be created only if its key is free: of all
// who create a key, one succeeds.
//
// # What is in the store
//
// The log of a lane is a folder of entries with consecutive numbers, from 1 on. Entry n is
// created, never replaced, and says who wrote it and the position after it. Its kind says
// what it stands for:
//
//	take      an instance took the lane; the position is as before
//	position  the position moved, and there are no records
//	batch     the position moved past records, if their object exists (below)
//	set       a person chose the position
//	release   the position was handed to another place
//
// An entry of kind batch names an object of records by its key, and numbers it: object m of
// the lane. The entry is an intent. The object is created after it, and that is the commit:
// while the object does not exist, its batch and its position do not count.
//
// Dead letters are an object, too, which the entry names. It is written before the entry,
// under a key that no other commit has, and counts if the entry counts.
//
// # Taking a lane
//
//  1. Find the last entry, n. A store lists what was created before.
//  2. If it is a batch, settle it: look for its object. If there is none, create an empty
//     object at its key. From then on its writer cannot commit it. If the creation finds an
//     object after all, look again: it is the records, and the batch is committed, or it is
//     empty, because another instance settled the batch.
//  3. Create entry n+1, of kind take, with the position: that of entry n if it counts, and
//     otherwise that of the entry before it. If there is an entry n+1 already, begin again.
//
// The order matters. After step 3 no predecessor can create entry n+1, which is the next
// entry for each of them, and an object is created only after its entry. The objects of
// all entries before n are settled: their writers went on only after they knew.
//
// # Committing
//
// The instance that has the lane creates entry n+1, and for a batch then the object. If
// something else has the key of the entry, the lane was taken. If something else has the
// key of the object, the batch was settled by somebody who takes the lane. Otherwise a key
// that exists is the instance's own, written by an attempt whose answer was lost: an entry
// and an object carry the id of their commit. So Commit may be called with the same
// arguments until it returns nil, and commits them once, also if a request arrives long
// after its sender gave up.
//
// The objects of a lane are thus numbered without a gap, in the order of the log, and each
// number has one object. It is empty if its batch was given up.
//
// # What others may do to the objects
//
// The position depends on one object at most: that of the last entry, if this is a batch.
// An object that is not there is one that was not committed, since a store does not tell
// that from one that was deleted. So whoever moves or deletes objects leaves the newest of
// a lane, or waits until the log has a later entry; a lane that goes on writes one with its
// next commit, and Close writes one. If the newest object is taken away in between and the
// process dies, its batch is delivered again: an event twice is better than none.
//
// An object that is there and says neither that it is the commit nor that this was given up
// decides nothing: the lane stops, nothing is changed, and a person sets the position.
//
// # Being fenced
//
// If two instances run a lane by mistake, each would take it from the other at once. An
// instance that was fenced therefore pauses for a minute or more before it takes the lane
// again, as with Kafka. With Settings.Confirm somebody else decides who runs the lane, and
// there is no pause. A position that a person set is marked, and the lane goes on from it
// at once.
//
// # What it does not do
//
// It deletes nothing. An entry that was deleted could be created again, by an instance that
// was paused for all that time and believes that it has the lane. It also keeps a policy
// that protects the objects simple: nobody needs to delete or replace anything.
//
// It does not find out from the settings whether a store honours the condition: the first
// taking creates its entry twice, and the second time must be refused.
package objectlog

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
	"github.com/sluice-siem/sluice/pkg/internal/standoff"
)

// Settings say where a lane's log is.
type Settings struct {
	Store objectstore.Store

	// Confirm is asked before a lane is taken. An error says that another owns it. Nil:
	// nobody decides who owns the lane.
	Confirm func(context.Context) error

	Log zerolog.Logger
}

// Log is the log of one lane. Its methods are not called concurrently, except that Close
// may be called at any time.
type Log struct {
	lane     string
	settings Settings

	busy   sync.Mutex // held by a method that takes or commits
	held   bool
	last   Entry // the newest entry that counts, while the lane is held
	tried  *attempt
	proven bool // the store honours the condition
	pause  standoff.Pause
	closed atomic.Bool
}

// New returns the log of a lane, whose name is that of its source and that of its sink,
// such as "acme/siem". New does not connect to the store.
func New(lane string, s Settings) *Log { return &Log{lane: lane, settings: s} }

// Close ends the use of the log. The context of a method that runs must end, too. If the
// last commit was a batch, an entry behind it keeps the position, whatever becomes of the
// batch's object.
func (l *Log) Close() {
	if l.closed.Swap(true) || !l.busy.TryLock() {
		return
	}
	defer l.busy.Unlock()
	if !l.held || l.tried != nil || l.last.Kind != Batch {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closing)
	defer cancel()
	if err := l.create(ctx, l.newEntry(Position, l.last, l.last.Position)); err != nil {
		l.settings.Log.Debug().Err(err).Msg("the last object of the lane keeps its position")
	}
}

// closing is the most time that Close takes.
const closing = 5 * time.Second

func (l *Log) takeError(err error) error { return fmt.Errorf("taking lane %s: %w", l.lane, err) }

func (l *Log) commitError(err error) error {
	return fmt.Errorf("committing lane %s: %w", l.lane, err)
}
