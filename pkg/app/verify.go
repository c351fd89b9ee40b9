package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/evidence/verify"
	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// verification is what the flags of verify say.
type verification struct {
	keys       []string // files
	until      string
	asJSON     bool
	html       string
	exported   []string
	mostListed int

	config    string // file
	sink      string // whose destination is read in place of an export
	source    bool   // the sources are listed, too
	readURL   string
	readToken string // file
}

func (c *command) verify() *cobra.Command {
	var v verification
	cmd := &cobra.Command{
		Use:   "verify --key NAME.pub EXPORT... | --sink NAME -c FILE",
		Short: "Check an export of the SIEM against the signed notes in it",
		Long: `Check an export of the SIEM against the signed notes in it.

An export holds the records that lanes with evidence delivered, and the records
with their notes (sluice.open, sluice.seal, sluice.statement). It may be of any
format of Sluice, and is read as lines, as JSON of a search (hits with _source,
results with _raw), as CSV, as what a console consumer of Kafka prints with
headers, or as a file of syslog; any of it compressed with gzip. A directory
counts as all files in it, and - is the standard input. The records may be in
any order, and of any number of lanes.

It tells which records are missing, altered, moved or forged, and what of the
notes is. A record that has its original is compared with it; for records that
were made with a catalogue of your own, give the configuration with -c. Other
lines are counted. With --until it also tells if the log ends
before that time: say when the export was made.

With --sink it reads what the destination of a sink of the configuration holds,
in place of an export. If the sink's credential only allows to write, give the
address of the interface for reading as --read-url, and a file with its token
as --read-token-file, or the token in ` + readToken + `.

With --source it also lists the logs of the sources again, with requests of its
own, and compares event by event: what is listed and was not delivered, what
was delivered and is not listed any more, and what has changed since.

The exit code is 0 if nothing is wrong, 1 if there are findings, and 2 if
nothing could be verified.`,
		Args: usage(cobra.ArbitraryArgs),
		RunE: func(cmd *cobra.Command, args []string) error {
			v.exported = args
			switch {
			case len(args) == 0 && v.sink == "":
				return usageError{errors.New("name the files of an export, or a sink of the configuration with --sink"), cmd.CommandPath()}
			case len(args) > 0 && v.sink != "":
				return usageError{errors.New("--sink and an export exclude each other: the sink is read in place of an export"), cmd.CommandPath()}
			}
			return c.verifyExports(cmd.Context(), v)
		},
	}
	configFlag(cmd, &v.config)
	cmd.Flags().Lookup("config").Usage = "configuration file, for --sink, --source and the catalogue"
	cmd.Flags().StringVar(&v.sink, "sink", "", "read what the destination of this sink holds")
	cmd.Flags().BoolVar(&v.source, "source", false, "list the logs of the sources again, and compare")
	cmd.Flags().StringVar(&v.readURL, "read-url", "", "address of the destination's interface for reading")
	cmd.Flags().StringVar(&v.readToken, "read-token-file", "", "file with the token for reading")
	cmd.Flags().StringArrayVar(&v.keys, "key", nil, "file with a public key, as sluice key new makes it; may be there more than once (required)")
	cmd.Flags().StringVar(&v.until, "until", "", "when the export was made: a time such as 2026-03-01T10:00:00Z, or now")
	cmd.Flags().BoolVar(&v.asJSON, "json", false, "write the report as JSON")
	cmd.Flags().StringVar(&v.html, "html", "", "also write the report as a page for a browser or a printer, to this file")
	cmd.Flags().IntVar(&v.mostListed, "list", 1000, "findings of each kind to list; all are counted")
	return cmd
}

// verdictError ends verify with the exit code of its verdict. The report has said all.
type verdictError struct{ verdict verify.Verdict }

func (e verdictError) Error() string { return "verdict: " + string(e.verdict) }

// exitCode is the exit code of a verdict.
func (e verdictError) exitCode() int {
	if e.verdict == verify.NotVerifiable {
		return 2
	}
	return 1
}

func (c *command) verifyExports(ctx context.Context, v verification) error {
	checker, err := v.checker(time.Now())
	if err != nil {
		return err
	}
	files, err := v.files()
	if err != nil {
		return err
	}
	var cfg *config.Config
	if v.config != "" || v.sink != "" || v.source {
		if cfg, err = c.load(v.config); err != nil {
			return err
		}
	}
	var to verify.Intake = checker
	var again *relisting
	if v.source {
		if again, err = newRelisting(cfg, v.sink, newLogger(c.stderr, cfg.Log)); err != nil {
			return err
		}
		if err := again.list(ctx); err != nil {
			return notVerifiable(err)
		}
		to = listened{checker, again}
	}
	parser, err := c.parser(cfg)
	if err != nil {
		return err
	}
	if v.sink == "" {
		err = c.readExports(ctx, parser, to, files)
	} else {
		err = c.readSink(ctx, v, cfg, parser, to)
	}
	if err != nil {
		return notVerifiable(err)
	}
	report := checker.Report()
	if again != nil {
		sources, err := again.report(ctx, report.Logs)
		if err != nil {
			return notVerifiable(err)
		}
		report.Compare(sources)
	}
	return c.writeVerification(v, report)
}

// parser returns a parser that knows the catalogues of a configuration, or without one those
// of this build.
func (c *command) parser(cfg *config.Config) (*verify.Parser, error) {
	parser := verify.NewParser(append(slices.Clone(c.kinds.Sources), ownlog.Type()))
	m := verify.Mapping{Formats: c.kinds.Formats, Version: buildVersion(), Catalogues: map[string]*transform.Catalogue{}}
	if cfg != nil {
		for _, s := range append(slices.Clone(cfg.Sources), cfg.Own) {
			m.Catalogues[s.Type.Product.Dataset] = s.Catalogue
		}
	}
	return parser, parser.MapAgain(m)
}

func (c *command) readSink(ctx context.Context, v verification, cfg *config.Config, p *verify.Parser, to verify.Intake) error {
	access, err := accessOf(v.readURL, v.readToken)
	if err != nil {
		return err
	}
	counted := &countedIntake{Intake: to}
	defer c.showReading(new(atomic.Int64), 0, counted)()
	return readBack(ctx, cfg, v.sink, access, p, counted, newLogger(c.stderr, cfg.Log))
}

// notVerifiable makes an error end with the exit code for it.
func notVerifiable(err error) error { return sink.Hint(usageError{err, ""}, failure.Hint(err)) }

func (c *command) writeVerification(v verification, r *verify.Report) error {
	if v.html != "" {
		if err := writeFile(v.html, r.HTML); err != nil {
			return notVerifiable(fmt.Errorf("--html: %w", err))
		}
	}
	if v.asJSON {
		e := json.NewEncoder(c.stdout)
		e.SetIndent("", "  ")
		if err := e.Encode(r); err != nil {
			return err
		}
	} else if err := writeReport(c.stdout, r); err != nil {
		return err
	}
	if r.Verdict != verify.Clean {
		return verdictError{r.Verdict}
	}
	return nil
}

func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// checker returns a Checker that trusts the keys.
func (v *verification) checker(now time.Time) (*verify.Checker, error) {
	if len(v.keys) == 0 {
		return nil, sink.Hint(usageError{errors.New("no key: nothing says whose notes are trusted"), ""},
			"write --key NAME.pub, the public half of evidence.key_file")
	}
	o := verify.Options{Listed: v.mostListed}
	switch v.until {
	case "":
	case "now":
		o.Until = now
	default:
		t, err := time.Parse(time.RFC3339, v.until)
		if err != nil {
			return nil, sink.Hint(usageError{fmt.Errorf("--until: %q is no time", v.until), ""}, "write one such as 2026-03-01T10:00:00Z, or now")
		}
		o.Until = t
	}
	var keys []string
	for _, name := range v.keys {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, notVerifiable(fmt.Errorf("--key: %w", err))
		}
		keys = append(keys, strings.TrimSpace(string(text)))
	}
	checker, err := verify.New(keys, o)
	if err != nil {
		return nil, sink.Hint(notVerifiable(fmt.Errorf("--key: %w", err)), "the file must have the one line that sluice key new wrote into NAME.pub")
	}
	return checker, nil
}

// exported is a file of an export.
type exported struct {
	name string
	size int64 // 0 if it is not known
}

// files returns the files of the export. Those of a directory are in the order of their
// names.
func (v *verification) files() (all []exported, err error) {
	for _, name := range v.exported {
		if name == "-" {
			all = append(all, exported{name: name})
			continue
		}
		found := len(all)
		err := filepath.WalkDir(name, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := os.Stat(path)
			if err == nil && !info.IsDir() {
				all = append(all, exported{path, info.Size()})
			}
			return err
		})
		if err != nil {
			return nil, notVerifiable(err)
		}
		if len(all) == found {
			return nil, notVerifiable(fmt.Errorf("%s holds no file", name))
		}
	}
	return all, nil
}

func (c *command) readExports(ctx context.Context, p *verify.Parser, to verify.Intake, files []exported) error {
	var read atomic.Int64
	var total int64
	for _, f := range files {
		total += f.size
	}
	counted := &countedIntake{Intake: to}
	defer c.showReading(&read, total, counted)()
	for _, f := range files {
		if err := c.readExport(ctx, p, counted, f, &read); err != nil {
			return err
		}
	}
	return nil
}

func (c *command) readExport(ctx context.Context, p *verify.Parser, to verify.Intake, f exported, read *atomic.Int64) error {
	in := c.stdin
	if f.name != "-" {
		file, err := os.Open(f.name)
		if err != nil {
			return err
		}
		defer file.Close()
		in = file
	}
	if f.size == 0 { // It may be a pipe, which may not end.
		in = interruptible(ctx, in)
	}
	return p.Read(ctx, to, f.name, &countedReader{in, read})
}

// countedReader counts the bytes that were read.
type countedReader struct {
	io.Reader
	n *atomic.Int64
}

func (r *countedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.n.Add(int64(n))
	return n, err
}
