package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/deadletter"
	"github.com/sluice-siem/sluice/pkg/sink"
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
				return c.showLetters(cmd.Context(), cfg, lane[0])
			}
			return c.listLetters(cmd.Context(), cfg)
		},
	}
	configFlag(cmd, &file)
	return cmd
}

func (c *command) listLetters(ctx context.Context, cfg *config.Config) error {
	lanes, err := lettersInFiles(cfg, nil)
	if err != nil {
		return err
	}
	letters := table{header: []string{"LANE", "LETTERS", "OLDEST", "NEWEST", "KEPT"}}
	inFiles := map[string]bool{}
	for _, l := range lanes {
		inFiles[l.Name] = true
		letters.add(letterRow(l, fmt.Sprintf("file of %d bytes", l.Bytes))...)
	}
	var errs []error
	for _, l := range cfg.Lanes() {
		where := sharedLetters(cfg, l)
		if where == "" {
			if !inFiles[l.Name] {
				letters.add(letterRow(deadletter.Lane{Name: l.Name}, "-")...)
			}
			continue
		}
		found := deadletter.Lane{Name: l.Name}
		for reject, err := range sharedRejects(ctx, cfg, l) {
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
		letters.add(letterRow(found, where)...)
	}
	return c.printLetters(letters, errs)
}

func letterRow(l deadletter.Lane, where string) []string {
	if l.Unreadable > 0 {
		where += fmt.Sprintf(", %d unreadable", l.Unreadable)
	}
	return []string{l.Name, fmt.Sprint(l.Letters), when(l.Oldest), when(l.Newest), where}
}

// printLetters prints a table of what could be read. It prints "no dead letters" only if
// there was no error: what cannot be read may hold some.
func (c *command) printLetters(letters table, errs []error) error {
	if len(letters.rows) == 0 && len(errs) == 0 {
		_, err := fmt.Fprintln(c.stdout, "no dead letters")
		return err
	}
	return errors.Join(append(errs, letters.print(c.stdout))...)
}

// lettersInFiles counts the dead letters in the directory of each chosen lane; nil
// chooses all.
func lettersInFiles(cfg *config.Config, choose func(lane string) bool) ([]deadletter.Lane, error) {
	if cfg.State.Type != "file" {
		return nil, nil
	}
	lanes, err := deadletter.List(cfg.DeadLetters.Dir, choose)
	if errors.Is(err, fs.ErrNotExist) { // It is created by the first run.
		return nil, nil
	}
	return lanes, err
}

// hasLettersInFiles reports whether a lane has dead letters in the directory, or lines
// there that cannot be read.
func hasLettersInFiles(cfg *config.Config, lane string) (bool, error) {
	found, err := lettersInFiles(cfg, func(name string) bool { return name == lane })
	return slices.ContainsFunc(found, func(l deadletter.Lane) bool { return l.Letters+l.Unreadable > 0 }), err
}

// sharedLetters names where the dead letters of a lane go that its sink or the state keeps;
// empty if they go into files.
func sharedLetters(cfg *config.Config, l config.Lane) string {
	if keeps, ok := l.Sink.Settings.(sink.KeepsRejects); ok && keeps.KeepsRejects() != "" {
		return keeps.KeepsRejects()
	}
	if shared := sharedOf(cfg); shared != nil {
		return shared.letters()
	}
	return ""
}

// sharedRejects reads the dead letters of a lane from where sharedLetters says, oldest first.
// An error is about one letter, or ends the sequence.
func sharedRejects(ctx context.Context, cfg *config.Config, l config.Lane) iter.Seq2[sink.Reject, error] {
	return func(yield func(sink.Reject, error) bool) {
		ctx, cancel := context.WithTimeout(ctx, lookTimeout)
		defer cancel()
		ledger, err := openLedger(ctx, l, zerolog.Nop())
		if err != nil {
			yield(sink.Reject{}, err)
			return
		}
		if ledger != nil {
			defer func() { _ = ledger.Close() }() // Nothing was published.
			ledger.Rejects(ctx)(yield)
			return
		}
		if shared := sharedOf(cfg); shared != nil {
			positions := shared.positions(confirmNothing, zerolog.Nop())
			defer positions.Close()
			positions.Rejects(ctx, l.Name)(yield)
		}
	}
}

// lanesWithLetters returns the lanes as which to read the shared dead letters of a lane.
// Nobody knows where a lane wrote them that is not in the configuration, so there is one for each sink that keeps rejects, and one for the state.
func lanesWithLetters(cfg *config.Config, name string) []config.Lane {
	lanes, unknown := pick(cfg, []string{name})
	if unknown != nil {
		lanes = cfg.Lanes()
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(lanes, func(l config.Lane) bool {
		place := ""
		if keeps, ok := l.Sink.Settings.(sink.KeepsRejects); ok && keeps.KeepsRejects() != "" {
			place = l.Sink.Name
		}
		again := seen[place]
		seen[place] = true
		return again || sharedLetters(cfg, l) == ""
	})
}

// showLetters refuses a name that is neither a lane of the configuration nor one that
// left letters. An empty list for such a name would suggest that all is well.
func (c *command) showLetters(ctx context.Context, cfg *config.Config, lane string) error {
	letters := table{header: []string{"REFUSED", "EVENT", "ACTION", "REASON"}}
	var errs []error
	show := func(r sink.Reject, err error) {
		if err != nil {
			errs = append(errs, err)
			return
		}
		letters.add(when(r.Time), oneLine(r.Record.ID), oneLine(r.Record.Action), oneLine(r.Reason))
	}
	if cfg.State.Type == "file" {
		for l, err := range deadletter.Letters(cfg.DeadLetters.Dir, lane) {
			show(l.Reject, err)
		}
	}
	for _, l := range lanesWithLetters(cfg, lane) {
		for r, err := range sharedRejects(ctx, cfg, named(l, lane)) {
			show(r, err)
		}
	}
	if _, unknown := pick(cfg, []string{lane}); unknown != nil && len(letters.rows)+len(errs) == 0 {
		return usageError{unknown, "sluice deadletter list"}
	}
	return c.printLetters(letters, errs)
}
