package app

import (
	"archive/zip"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	sumdb "golang.org/x/mod/sumdb/note"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/evidence/verify"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

func (c *command) evidence() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "evidence",
		Short: "Collect for an auditor what shows that a log is whole",
		Args:  usage(cobra.NoArgs),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.evidenceBundle())
	return cmd
}

func (c *command) evidenceBundle() *cobra.Command {
	var file, out, from, to string
	cmd := &cobra.Command{
		Use:   "bundle -c FILE --from T --to T -o ZIP [EXPORT...]",
		Short: "Write a zip for an auditor: notes, keys, own log, report",
		Long: `Write a zip for an auditor about a range of time: the notes of all lanes with
evidence, public keys, the configuration without secrets, Sluice's own log, what
sluice verify finds, and a README that says how to check it without Sluice.

Reads back the sinks that can be read, and the exports that are named besides:
files of records, as for sluice verify. The README names the lanes whose notes
were not found. Sluice may be running. It overwrites no file.`,
		RunE: func(cmd *cobra.Command, exports []string) error {
			b := bundle{exports: exports}
			var err error
			for _, t := range []struct {
				flag, text string
				to         *time.Time
			}{{"from", from, &b.from}, {"to", to, &b.to}} {
				if *t.to, err = time.Parse(time.RFC3339, t.text); err != nil {
					return usageError{fmt.Errorf("--%s %q is no time such as 2026-01-31T00:00:00Z", t.flag, t.text), cmd.CommandPath()}
				}
			}
			switch {
			case !b.from.Before(b.to):
				return usageError{errors.New("--to is not later than --from"), cmd.CommandPath()}
			case out == "":
				return usageError{errors.New("no file: write -o ZIP"), cmd.CommandPath()}
			}
			if b.cfg, err = c.load(file); err != nil {
				return err
			}
			if b.cfg.Evidence == nil {
				return sink.Hint(errors.New("the configuration has no evidence"), "write evidence: {key_file: …}; sluice key new makes the key")
			}
			b.log = newLogger(c.stderr, b.cfg.Log)
			if err := b.collect(cmd.Context(), c.kinds); err != nil {
				return err
			}
			return b.write(c.stdout, out)
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&from, "from", "", "begin of the range, an RFC 3339 time (required)")
	cmd.Flags().StringVar(&to, "to", "", "end of the range, an RFC 3339 time (required)")
	cmd.Flags().StringVarP(&out, "output", "o", "", "the zip to write (required)")
	return cmd
}

// bundle is what an auditor gets about a range of time.
type bundle struct {
	cfg      *config.Config
	from, to time.Time
	exports  []string
	log      zerolog.Logger

	read    []string            // what was read
	unread  []string            // sinks that were not, and why
	notes   map[string]bundled  // by what they are
	heads   map[string]headLine // of the logs, by lane
	own     [][]byte            // events of the own log
	ownErr  error               // why they are not all
	report  *verify.Report
	checker *verify.Checker

	mu sync.Mutex
}

// bundled is a note that was found.
type bundled struct {
	*evidence.Note
	signed string
	known  bool // a key of the configuration signed it
}

// headLine is where a lane's log is, as its position has it.
type headLine struct {
	state   *evidence.State
	problem error
}

func (b *bundle) keys() (keys []string) {
	for _, k := range append([]*evidence.Key{b.cfg.Evidence.Key}, b.cfg.Evidence.Former...) {
		keys = append(keys, k.Public)
	}
	return keys
}

// collect reads all that the bundle is about.
func (b *bundle) collect(ctx context.Context, kinds config.Kinds) (err error) {
	b.notes, b.heads = map[string]bundled{}, map[string]headLine{}
	if b.checker, err = verify.New(b.keys(), verify.Options{}); err != nil {
		return err
	}
	parser := verify.NewParser(append(slices.Clone(kinds.Sources), kinds.Own))
	for _, name := range b.exports {
		if err := b.export(ctx, parser, name); err != nil {
			return err
		}
	}
	for _, s := range b.cfg.Sinks {
		if err := b.sink(ctx, parser, s); err != nil {
			return err
		}
	}
	if err := b.positions(ctx); err != nil {
		return err
	}
	b.report = b.checker.Report()
	b.ownErr = b.ownEvents(ctx)
	return ctx.Err()
}

func (b *bundle) export(ctx context.Context, parser *verify.Parser, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	err = parser.Read(ctx, b, name, f)
	b.read = append(b.read, "export "+filepath.Base(name))
	return errors.Join(err, f.Close())
}

// sink reads a sink back. One that cannot be read is named in the bundle.
func (b *bundle) sink(ctx context.Context, parser *verify.Parser, s config.Sink) error {
	if !slices.ContainsFunc(b.cfg.Lanes(), func(l config.Lane) bool { return l.Sink.Name == s.Name && l.Evidence != nil }) {
		return nil
	}
	if _, readable := s.Settings.(sink.Readable); !readable {
		b.unread = append(b.unread, "sink "+s.Name+": it cannot be read back; name an export of its records")
		return nil
	}
	err := readBack(ctx, b.cfg, s.Name, sink.Access{}, parser, b, b.log)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		b.unread = append(b.unread, fmt.Sprintf("sink %s: %v", s.Name, err))
	default:
		b.read = append(b.read, "sink "+s.Name)
	}
	return nil
}

// Add implements intake. It keeps the notes of what is read.
func (b *bundle) Add(claims ...verify.Claim) {
	for i := range claims {
		if claims[i].Note != "" {
			b.keep(claims[i].Note)
		}
	}
	b.checker.Add(claims...)
}

// Foreign implements intake.
func (b *bundle) Foreign(at verify.Place, why string) { b.checker.Foreign(at, why) }

// keep keeps a note that can be read, whoever signed it.
func (b *bundle) keep(signed string) {
	n, err := evidence.Parse(signed)
	if err != nil {
		return // The report tells of it.
	}
	var known []sumdb.Verifier
	for _, key := range b.keys() {
		if v, err := sumdb.NewVerifier(key); err == nil {
			known = append(known, v)
		}
	}
	_, opening := sumdb.Open([]byte(signed), sumdb.VerifierList(known...))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.notes[signed] = bundled{n, signed, opening == nil}
}

// inRange returns the notes that say something of the range, by log and number: those of the
// range, and of each log the last before it and the first behind it, which cover its edges.
func (b *bundle) inRange() []bundled {
	byLog := map[string][]bundled{}
	for _, n := range b.notes {
		byLog[n.Origin] = append(byLog[n.Origin], n)
	}
	var all []bundled
	for _, log := range slices.Sorted(maps.Keys(byLog)) {
		notes := byLog[log]
		slices.SortFunc(notes, func(x, y bundled) int {
			return cmp.Or(cmp.Compare(x.Number, y.Number), strings.Compare(x.signed, y.signed))
		})
		first := slices.IndexFunc(notes, func(n bundled) bool { return !n.Time.Before(b.from) })
		if first < 0 {
			first = len(notes)
		}
		behind := slices.IndexFunc(notes, func(n bundled) bool { return !n.Time.Before(b.to) })
		if behind < 0 {
			behind = len(notes) - 1
		}
		all = append(all, notes[max(first-1, 0):behind+1]...)
	}
	return all
}

// positions takes from the positions what the destination may not have: notes that wait, and
// how far each log is.
func (b *bundle) positions(ctx context.Context) error {
	positions, err := openPositions(b.cfg)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, l := range b.cfg.Lanes() {
		if l.Evidence == nil {
			continue
		}
		saved := positions.look(ctx, l)
		_, state, err := evidence.Split(saved.Position)
		if err = cmp.Or(saved.Err, err); err == nil && state != nil {
			for _, signed := range state.Pending {
				b.keep(signed)
			}
		}
		b.heads[l.Name] = headLine{state, err}
	}
	return positions.close()
}

// ownEvents reads the own log of the range.
func (b *bundle) ownEvents(ctx context.Context) (err error) {
	if _, err := os.Stat(ownLogDirectory(b.cfg)); !b.cfg.HasOwnLanes() || b.cfg.State.Type == "file" && err != nil {
		return nil
	}
	own, err := openOwnLog(b.cfg, zerolog.Nop())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, own.close()) }()
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	from := own.source()
	pos, err := from.Start(ctx, source.Start{Since: b.from})
	if err != nil {
		return err
	}
	reader, err := from.Open(pos, source.Env{Lane: b.cfg.Own.Name, Log: zerolog.Nop()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	for {
		page, err := reader.Next(ctx)
		if err != nil {
			return err
		}
		for i := range page.Events {
			if e := &page.Events[i]; !e.Time.Before(b.from) && e.Time.Before(b.to) {
				b.own = append(b.own, slices.Clone(e.Raw))
			}
		}
		if page.CaughtUp {
			return nil
		}
	}
}

// write writes the zip, and says what is in it.
func (b *bundle) write(w io.Writer, name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return sink.Hint(fmt.Errorf("%s is there already", name), "choose another name, or remove it")
	}
	if err != nil {
		return fmt.Errorf("write the bundle: %w", err)
	}
	archive := zip.NewWriter(f)
	err = b.fill(archive)
	if err = errors.Join(err, archive.Close(), f.Close()); err != nil {
		return fmt.Errorf("write the bundle: %w", errors.Join(err, os.Remove(name)))
	}
	fmt.Fprintf(w, "%s: %s, %s of the own log; the records that were read are %s\n", name,
		several(len(b.inRange()), "note"), several(len(b.own), "event"), verdictWords(b.report))
	for _, why := range b.unread {
		fmt.Fprintln(w, "not read: "+oneLine(why))
	}
	return nil
}
