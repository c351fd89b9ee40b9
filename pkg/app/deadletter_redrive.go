package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/deadletter"
	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
	"github.com/sluice-siem/sluice/pkg/transform"
)

func (c *command) deadLetterRedrive() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "redrive -c FILE LANE...",
		Short: "Publish dead letters again, and keep those that are refused again",
		Long: `Publish dead letters again, and keep those that are refused again.

If a record is refused again, the command shows the reason and ends with 1.
Sluice may be running, unless the lane's sink is a file, which it holds
exclusively. Dead letters in Kafka stay in their topic; Sluice notes there which
ones were redriven, and neither shows nor publishes those again.

A record that exceeds the sink's limit on a record is made anew from its event,
shortened to fit. If a destination refuses a record for its size, lower that
limit first: max_record_bytes, max_request_bytes or max_message_bytes.`,
		Args: usage(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			cfg, err := c.load(file)
			if err != nil {
				return err
			}
			lanes, err := pick(cfg, names)
			if err != nil {
				return hintFormer(cfg, names, usageError{err, cmd.CommandPath()})
			}
			for _, l := range lanes {
				err = errors.Join(err, c.redrive(cmd.Context(), cfg, l))
			}
			return err
		},
	}
	configFlag(cmd, &file)
	return cmd
}

// hintFormer adds to the error of an unknown lane how to move the dead letters that it
// left.
func hintFormer(cfg *config.Config, names []string, err error) error {
	former, listing := formerLetters(cfg)
	for _, l := range former {
		if slices.Contains(names, l.Name) {
			return sink.Hint(err, letterHint(cfg, l))
		}
	}
	return errors.Join(err, listing)
}

func (c *command) redrive(ctx context.Context, cfg *config.Config, l config.Lane) (err error) {
	env := sinkEnv(l, newLogger(c.stderr, cfg.Log))
	env.Again = true
	snk, err := openSink(ctx, l, env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, snk.Close()) }()
	transformer, err := newTransformer(l, snk)
	if err != nil {
		return err
	}
	limits := limitsOf(snk).WithDefaults()
	again := redriving{
		encoder: encoder{transformer, l.Source.Type, limits.RecordBytes}, sink: snk, limits: limits, timeout: max(l.Sink.PublishTimeout, limits.Timeout),
	}
	n, where, err := again.all(ctx, cfg, l)
	again.report(c.stdout, l.Name, n)
	if n+again.refused > 0 {
		err = errors.Join(err, c.tell(context.WithoutCancel(ctx), cfg, lettersRedriven(l, n, again.refused)))
	}
	if again.refused == 0 {
		return err
	}
	return errors.Join(err, sink.Hint(
		fmt.Errorf("%s of lane %s refused again, and kept in %s", several(again.refused, "dead letter"), l.Name, where),
		fmt.Sprintf("sluice deadletter list -c %s %s shows the reason of each; remove the cause, then redrive again; a record that the destination refuses for its size needs a smaller limit in the sink's settings (max_record_bytes, max_request_bytes or max_message_bytes), to which redrive shortens it", quoted(cfg.Path), quoted(l.Name))))
}

// lettersRedriven is the event of the own log about a redrive.
func lettersRedriven(l config.Lane, published, refused int) ownlog.Event {
	e := ownlog.New(ownlog.Redriven, ownlog.Party{Type: "lane", Name: l.Name},
		fmt.Sprintf("%s of lane %s published again, %d refused again.", several(published, "dead letter"), l.Name, refused))
	e.Details = map[string]any{"published": published, "refused": refused}
	return e
}

// all redrives the letters of a lane in files, and then those that are shared. where is the place
// of those that are kept.
func (r *redriving) all(ctx context.Context, cfg *config.Config, l config.Lane) (n int, where string, err error) {
	shared := sharedLetters(cfg, l)
	inFiles, err := hasLettersInFiles(cfg, l.Name)
	if err != nil {
		return 0, "", err
	}
	if inFiles || shared == "" {
		store, err := deadletter.Open(cfg.DeadLetters.Dir, cfg.DeadLetters.MaxBytes)
		if err != nil {
			return 0, "", err
		}
		where = store.Path(l.Name)
		n, err = store.Redrive(ctx, l.Name, r.publish)
		if err := errors.Join(err, store.Close()); err != nil || shared == "" {
			return n, where, err
		}
	}
	more, err := r.shared(ctx, cfg, l)
	return n + more, shared, err
}

// redriving publishes the dead letters of a lane, as the lane publishes records: in
// batches that the sink allows.
type redriving struct {
	encoder
	sink    sink.Sink
	limits  sink.Limits
	timeout time.Duration // of one Publish

	refused int      // letters that were refused again
	reasons []string // of the first of them
}

// mostReasons is how many refused events a redrive shows.
const mostReasons = 10

// publish publishes letters and returns those to keep. It stops at an error that is not
// about a record. What the sink took before is not kept, so it is not published twice.
func (r *redriving) publish(ctx context.Context, letters []deadletter.Letter) (kept []deadletter.Letter, err error) {
	faults := make([]error, len(letters)) // nil: published
	var records []sink.Record
	var of []int // the letter of each record
	for i, l := range letters {
		record, err := r.again(l)
		if faults[i] = err; err == nil {
			records, of = append(records, record), append(of, i)
		}
	}
	for len(records) > 0 {
		n := r.limits.Fitting(records)
		found := r.deliver(ctx, records[:n], err)
		for i, fault := range found {
			faults[of[i]] = fault
		}
		err = cmp.Or(err, unsettled(found))
		records, of = records[n:], of[n:]
	}
	for i, l := range letters {
		if sink.IsPermanent(faults[i]) {
			l.Reason, l.Time = faults[i].Error(), time.Now().UTC()
			r.note(l)
		}
		if faults[i] != nil {
			kept = append(kept, l)
		}
	}
	return kept, err
}

func (r *redriving) note(l deadletter.Letter) {
	if r.refused++; r.refused <= mostReasons {
		r.reasons = append(r.reasons, l.Record.ID+": "+l.Reason)
	}
}

// report prints how many letters were published, and why the others were refused.
func (r *redriving) report(w io.Writer, lane string, published int) {
	fmt.Fprintf(w, "%s: %d published, %d refused again\n", lane, published, r.refused)
	for _, text := range r.reasons {
		fmt.Fprintf(w, "  event %s\n", oneLine(text))
	}
	if more := r.refused - len(r.reasons); more > 0 {
		fmt.Fprintf(w, "  and %d more\n", more)
	}
}

// deliver publishes one batch and returns the fault of each record, nil where the sink
// took it. If the sink does not tell which record is bad, deliver tries each half. After
// an error that is not about a record, every record has that error.
func (r *redriving) deliver(ctx context.Context, batch []sink.Record, before error) []error {
	err := before
	if err == nil {
		within, cancel := context.WithTimeout(ctx, r.timeout)
		err = r.sink.Publish(within, batch)
		cancel()
	}
	var named sink.BatchError
	switch {
	case err == nil:
		return make([]error, len(batch))
	case errors.As(err, &named):
		faults, invalid := named.Faults(len(batch))
		if invalid == nil {
			return faults
		}
		err = errors.New(invalid.Error()) // The records' own errors may be permanent, but which are delivered is unknown.
	case sink.IsPermanent(err) && len(batch) > 1:
		half := len(batch) / 2
		older := r.deliver(ctx, batch[:half], nil)
		return append(older, r.deliver(ctx, batch[half:], unsettled(older))...)
	}
	return slices.Repeat([]error{err}, len(batch))
}

// unsettled returns the first fault that is not about a record.
func unsettled(faults []error) error {
	for _, fault := range faults {
		if fault != nil && !sink.IsPermanent(fault) {
			return fault
		}
	}
	return nil
}

// encoder makes records of raw events as the lane does.
type encoder struct {
	transform.Transformer
	kind source.Type
	most int // bytes that the sink allows a record; 0: it does not say
}

// again returns the record of a letter. The current configuration encodes it if the
// letter has no body, since the format refused the event, or one that exceeds the sink's
// limit, which would be refused for ever.
func (e encoder) again(l deadletter.Letter) (sink.Record, error) {
	if size := len(l.Record.Body); size > 0 && (e.most == 0 || size <= e.most) {
		return l.Record, nil
	}
	events, err := e.kind.Parse(l.Raw, l.Record.Organization)
	if err == nil && (len(events) != 1 || events[0].ID != l.Record.ID && !isHash(events[0].ID, l.Record.ID)) {
		err = fmt.Errorf("its raw event is not event %s", l.Record.ID)
	}
	if err != nil {
		return sink.Record{}, sink.Permanent(err)
	}
	events[0].ID, events[0].Time, events[0].Late = l.Record.ID, l.Record.Time, l.Record.Late
	events[0].Replayed, events[0].OwnToken = l.Record.Replayed, l.Record.OwnToken
	events[0].Number = source.Number{Epoch: l.Record.Epoch, Sequence: l.Record.Sequence}
	events[0].Note = evidence.NoteOf(&events[0])
	record, err := e.Transform(nil, &events[0])
	if err != nil {
		return sink.Record{}, sink.Permanent(fmt.Errorf("transform: %w", err))
	}
	return record, nil
}

// isHash reports whether all ids are hashes, which stand for the id that an event
// lacks. Redaction changes the bytes of an event and so its hash.
func isHash(ids ...string) bool {
	return !slices.ContainsFunc(ids, func(id string) bool { return !strings.HasPrefix(id, "sha256:") })
}
