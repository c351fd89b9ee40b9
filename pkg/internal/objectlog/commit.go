package objectlog

import (
	"context"
	"errors"
	"maps"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// Records are the records of a commit, as an object.
type Records struct {
	// Key is that of object m of the lane, whose entry is written at a time that is not
	// before that of any other of the log.
	Key   func(number int64, at time.Time) string
	Write func() (objectstore.Object, error)
}

// Names of metadata. An object of records has the id of its commit.
const (
	metaCommit = "sluice-commit"
	metaVoid   = "sluice-void"
)

// attempt is a commit whose outcome is not known yet.
type attempt struct {
	same    string // what was committed, to recognize the same arguments
	entry   Entry
	object  objectstore.Object
	entered bool // the entry is in the log
	waited  bool // for the entry of whoever gave up the batch
}

// successorPause is how long whoever gives up a batch needs for its own entry.
const successorPause = 2 * time.Second

// Commit writes records, dead letters and the position behind them, all or nothing. records
// may be nil. same identifies the arguments, in whatever way the caller likes.
//
// sink.ErrMoved says that another moved the position: take the lane and go on from there.
// After any other error call Commit again with the same arguments.
func (l *Log) Commit(ctx context.Context, same string, records *Records, rejects []sink.Reject, pos []byte) error {
	l.busy.Lock()
	defer l.busy.Unlock()
	if !l.held {
		return l.commitError(sink.ErrMoved)
	}
	if l.tried != nil && l.tried.same != same {
		// Only a new taking can tell what became of the former commit.
		l.release()
		return l.commitError(sink.ErrMoved)
	}
	if l.tried == nil {
		a, err := l.prepare(ctx, records, rejects, pos)
		if err != nil {
			return l.commitError(err)
		}
		a.same = same
		l.tried = a
	}
	err := l.attempt(ctx, l.tried)
	switch {
	case errors.Is(err, errTaken):
		return l.fenced(ctx)
	case err != nil:
		return l.commitError(err)
	}
	l.last, l.tried = l.tried.entry, nil
	return nil
}

// prepare makes an entry and its object, and writes the dead letters.
func (l *Log) prepare(ctx context.Context, records *Records, rejects []sink.Reject, pos []byte) (*attempt, error) {
	a := &attempt{entry: l.newEntry(Position, l.last, pos)}
	if records != nil {
		object, err := records.Write()
		if err != nil {
			return nil, err
		}
		object.Metadata = maps.Clone(object.Metadata)
		if object.Metadata == nil {
			object.Metadata = map[string]string{}
		}
		object.Metadata[metaCommit] = a.entry.Commit
		a.object = object
		a.entry.Kind, a.entry.Objects = Batch, l.last.Objects+1
		a.entry.Object = records.Key(a.entry.Objects, a.entry.Saved)
	}
	if len(rejects) > 0 {
		a.entry.Letters = l.letterKey(a.entry.Number, a.entry.Commit)
		if err := l.writeLetters(ctx, a.entry.Letters, rejects); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// attempt follows the steps of the package documentation.
func (l *Log) attempt(ctx context.Context, a *attempt) error {
	if l.closed.Load() {
		return errClosed
	}
	if !a.entered {
		if err := l.create(ctx, a.entry); err != nil {
			return err
		}
		a.entered = true
	}
	if a.entry.Kind != Batch {
		return nil
	}
	err := l.settings.Store.Create(ctx, a.entry.Object, a.object)
	if !errors.Is(err, objectstore.ErrExists) {
		return err
	}
	became, err := l.fateOf(ctx, a.entry)
	if _, doubtful := errors.AsType[*doubt](err); doubtful {
		// A person may have set the position meanwhile.
		if successor, failed := l.successor(ctx); failed == nil && successor.Number > 0 {
			return errTaken
		}
	}
	switch {
	case err != nil || became == committed:
		return err
	case became == open:
		return errors.New("object " + a.entry.Object + " exists, and then does not")
	}
	return errTaken
}

var errClosed = errors.New("the log is closed")

// given is what takes the place of the records of a batch that is given up: an object
// without records, as a reader expects one there.
func given(e Entry) objectstore.Object {
	o := objectstore.Object{Metadata: map[string]string{metaVoid: e.Commit}}
	if strings.HasSuffix(e.Object, ".gz") {
		// A gzip stream with nothing in it (RFC 1952).
		o.Body = []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00")
		o.Type = "application/gzip"
	}
	return o
}

// fenced says that another has the lane, or soon will. The lane is not held after it.
func (l *Log) fenced(ctx context.Context) error {
	successor, err := l.successor(ctx)
	switch {
	case err != nil:
		return l.commitError(err)
	case successor.Number == 0 && !l.tried.waited:
		l.tried.waited = true
		return l.commitError(sink.RetryAfter(&taken{}, successorPause))
	case successor.Kind == Set || l.settings.Confirm != nil:
		l.release()
		return l.commitError(sink.ErrMoved)
	}
	l.release()
	return l.commitError(sink.Hint(sink.RetryAfter(&taken{successor}, l.pause.Next()), anotherInstance))
}

// successor returns the entry that another wrote. Whoever gives a batch up writes it a
// moment later, if it does not die.
func (l *Log) successor(ctx context.Context) (Entry, error) {
	n := l.tried.entry.Number
	if l.tried.entered {
		n++
	}
	e, err := l.read(ctx, n)
	if errors.Is(err, objectstore.ErrNotFound) {
		return Entry{}, nil
	}
	return e, err
}

const anotherInstance = "another instance runs this lane: stop one of them, or give one its own prefix; to share lanes among replicas set state.type to s3 or kafka"

// taken says that another instance took the lane.
type taken struct{ by Entry }

func (e *taken) Error() string {
	if e.by.Number == 0 {
		return "another instance is taking the lane"
	}
	return "another instance took the lane at " + e.by.Saved.Format(time.RFC3339)
}

func (e *taken) ErrorClass() string { return "fenced" }
