package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/sluice-siem/sluice/pkg/checkpoint"
	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/deadletter"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/transform"
)

func (c *command) deadLetter() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deadletter",
		Short: "Show or redrive records that a sink refused for good",
		Args:  usage(cobra.NoArgs),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.deadLetterList(), c.deadLetterRedrive())
	return cmd
}

func (c *command) deadLetterList() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "list -c FILE [LANE]",
		Short: "Count the dead letters of each lane, or show those of one",
		Args:  usage(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, lane []string) error {
			cfg, err := c.load(file)
			if err != nil {
				return err
			}
			if len(lane) == 1 {
				if err := hasLetters(cfg, lane[0]); err != nil {
					return usageError{err, cmd.CommandPath()}
				}
				return c.showLetters(cmd.Context(), cfg, lane[0])
			}
			return c.listLetters(cmd.Context(), cfg)
		},
	}
	configFlag(cmd, &file)
	return cmd
}

// hasLetters wants a lane that is configured or, since configurations change,
// one that left letters. Of any other name, silence would say that all is well.
func hasLetters(cfg *config.Config, name string) error {
	_, unknown := pick(cfg, []string{name})
	if unknown == nil {
		return nil
	}
	lanes, err := filed(cfg)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(lanes, func(l deadletter.Lane) bool { return l.Name == name }) {
		return nil
	}
	return unknown
}

func (c *command) listLetters(ctx context.Context, cfg *config.Config) error {
	lanes, err := filed(cfg)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "LANE\tLETTERS\tOLDEST\tNEWEST\tUNREADABLE\tKEPT")
	for _, l := range lanes {
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%d\tfile of %d bytes\n", l.Name, l.Letters, when(l.Oldest), when(l.Newest), l.Unreadable, l.Bytes)
	}
	var errs []error
	for _, l := range cfg.Lanes() {
		where := lettersInKafka(cfg, l)
		if where == "" {
			continue
		}
		found := deadletter.Lane{Name: l.Name}
		for reject, err := range rejectsInKafka(ctx, cfg, l) {
			if err != nil {
				errs = append(errs, err)
				found.Unreadable++
				continue
			}
			if found.Letters++; found.Letters == 1 {
				found.Oldest = reject.Time
			}
			found.Newest = reject.Time
		}
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%d\t%s\n", l.Name, found.Letters, when(found.Oldest), when(found.Newest), found.Unreadable, where)
	}
	return errors.Join(append(errs, table.Flush())...)
}

// filed is what files hold of dead letters.
func filed(cfg *config.Config) ([]deadletter.Lane, error) {
	if cfg.State.Type != "file" {
		return nil, nil
	}
	lanes, err := deadletter.List(cfg.DeadLetters.Dir)
	if errors.Is(err, fs.ErrNotExist) { // It is created by the first run.
		return nil, nil
	}
	return lanes, err
}

// lettersInKafka is where the dead letters of a lane go if not into files.
func lettersInKafka(cfg *config.Config, l config.Lane) string {
	if keeps, ok := l.Sink.Settings.(sink.KeepsRejects); ok && keeps.KeepsRejects() != "" {
		return keeps.KeepsRejects()
	}
	if shared, ok := cfg.State.Shared.(*checkpoint.TopicSettings); ok {
		return "topic " + shared.DeadLetters
	}
	return ""
}

// rejectsInKafka reads the dead letters of a lane that go into Kafka, oldest first.
// An error is about one that cannot be read, or the last.
func rejectsInKafka(ctx context.Context, cfg *config.Config, l config.Lane) iter.Seq2[sink.Reject, error] {
	return func(yield func(sink.Reject, error) bool) {
		ctx, cancel := context.WithTimeout(ctx, lookTimeout)
		defer cancel()
		ledger, err := openLedger(ctx, l, zerolog.Nop())
		if err != nil {
			yield(sink.Reject{}, err)
			return
		}
		if ledger != nil {
			defer func() { _ = ledger.Close() }() // It has published nothing.
			ledger.Rejects(ctx)(yield)
			return
		}
		if shared, ok := cfg.State.Shared.(*checkpoint.TopicSettings); ok {
			topic := checkpoint.NewTopic(*shared, nobodyAsks, zerolog.Nop())
			defer topic.Close()
			topic.Rejects(ctx, l.Name)(yield)
		}
	}
}

// inFiles refuses lanes whose letters redrive cannot reach: they go into Kafka, and
// none is left in files from before.
func inFiles(cfg *config.Config, l config.Lane) error {
	where := lettersInKafka(cfg, l)
	lanes, err := filed(cfg)
	if err != nil || where == "" || slices.ContainsFunc(lanes, func(f deadletter.Lane) bool { return f.Name == l.Name }) {
		return err
	}
	return sink.Hint(fmt.Errorf("the dead letters of lane %s are in %s, and are not published from there", l.Name, where),
		"each record there is a dead letter as JSON: publish what stands in record.body, or raw, with a tool of Kafka's")
}

func (c *command) showLetters(ctx context.Context, cfg *config.Config, lane string) error {
	table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "REFUSED\tEVENT\tACTION\tREASON")
	var errs []error
	show := func(r sink.Reject, err error) {
		if err != nil {
			errs = append(errs, err)
			return
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", when(r.Time), printable(r.Record.ID), printable(r.Record.Action), printable(r.Reason))
	}
	if cfg.State.Type == "file" {
		for l, err := range deadletter.Letters(cfg.DeadLetters.Dir, lane) {
			show(l.Reject, err)
		}
	}
	if configured, err := pick(cfg, []string{lane}); err == nil && lettersInKafka(cfg, configured[0]) != "" {
		for r, err := range rejectsInKafka(ctx, cfg, configured[0]) {
			show(r, err)
		}
	}
	return errors.Join(append(errs, table.Flush())...)
}

func (c *command) deadLetterRedrive() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "redrive -c FILE LANE...",
		Short: "Publish dead letters again, and keep those that are refused again",
		Long: `Publish dead letters again, and keep those that are refused again.

Sluice may be running, but for a lane to a file: it holds that file for itself.
Dead letters in Kafka stay there, and are not published again.`,
		Args: usage(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			cfg, err := c.load(file)
			if err != nil {
				return err
			}
			lanes, err := pick(cfg, names)
			if err != nil {
				return usageError{err, cmd.CommandPath()}
			}
			for _, l := range lanes {
				if err := inFiles(cfg, l); err != nil {
					return err
				}
			}
			store, err := deadletter.Open(cfg.DeadLetters.Dir, cfg.DeadLetters.MaxBytes)
			if err != nil {
				return err
			}
			for _, l := range lanes {
				err = errors.Join(err, c.redrive(cmd.Context(), cfg, store, l))
			}
			return errors.Join(err, store.Close())
		},
	}
	configFlag(cmd, &file)
	return cmd
}

func (c *command) redrive(ctx context.Context, cfg *config.Config, store *deadletter.Store, l config.Lane) (err error) {
	snk, err := l.Sink.Type.Open(ctx, sinkEnv(l, newLogger(c.stderr, cfg.Log)), l.Sink.Settings)
	if err != nil {
		return fmt.Errorf("sink %s: %w", l.Sink.Name, err)
	}
	defer func() { err = errors.Join(err, snk.Close()) }()
	encoder, err := newTransformer(l.Sink, snk)
	if err != nil {
		return err
	}
	refused := 0
	n, err := store.Redrive(ctx, l.Name, func(ctx context.Context, letters []deadletter.Letter) ([]deadletter.Letter, error) {
		again, err := publishEach(ctx, snk, encoder, letters)
		refused += len(again)
		return again, err
	})
	fmt.Fprintf(c.stdout, "%s: %d published, %d refused again\n", l.Name, n, refused)
	return err
}

// publishEach publishes letters one at a time, as each was refused before: one
// that is refused again must not take its neighbours with it.
func publishEach(ctx context.Context, snk sink.Sink, encoder transform.Transformer, letters []deadletter.Letter) (refused []deadletter.Letter, err error) {
	for _, l := range letters {
		record, err := encodeAgain(encoder, l)
		if err == nil {
			err = snk.Publish(ctx, []sink.Record{record})
		}
		var batch sink.BatchError
		if errors.As(err, &batch) && len(batch) == 1 {
			err = batch[0].Err
		}
		switch {
		case err == nil:
		case sink.IsPermanent(err):
			l.Reason, l.Time = err.Error(), time.Now().UTC()
			refused = append(refused, l)
		default:
			return nil, err
		}
	}
	return slices.Clip(refused), nil
}

// encodeAgain is the record of a letter. One that was refused by the format has
// no body, and is encoded as the configuration says by now.
func encodeAgain(encoder transform.Transformer, l deadletter.Letter) (sink.Record, error) {
	if len(l.Record.Body) > 0 {
		return l.Record, nil
	}
	events, err := planetscale.Parse(l.Raw, l.Record.Organization)
	if err == nil && (len(events) != 1 || events[0].ID != l.Record.ID && !isHash(events[0].ID, l.Record.ID)) {
		err = fmt.Errorf("its raw event is not that of %s", l.Record.ID)
	}
	if err != nil {
		return sink.Record{}, sink.Permanent(err)
	}
	events[0].ID, events[0].Time, events[0].Late = l.Record.ID, l.Record.Time, l.Record.Late
	record, err := encoder.Transform(nil, &events[0])
	if err != nil {
		return sink.Record{}, sink.Permanent(fmt.Errorf("transform: %w", err))
	}
	return record, nil
}

// isHash reports whether ids are hashes of raw events without an id. What was
// redacted in such an event gave its copy another hash.
func isHash(ids ...string) bool {
	return !slices.ContainsFunc(ids, func(id string) bool { return !strings.HasPrefix(id, "sha256:") })
}
