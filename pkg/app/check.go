package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
	"github.com/sluice-siem/sluice/pkg/transform/prepare"
)

// checkTimeout leaves a client the time to find out that a request of half a minute failed:
// its error names the address and the reason.
const checkTimeout = 45 * time.Second

func (c *command) check() *cobra.Command {
	var file string
	var sendTest, running bool
	cmd := &cobra.Command{
		Use:   "check -c FILE",
		Short: "Check whether the configuration would work",
		Long: `Check whether the configuration would work: its keys, the credentials and their
permission, the order of the log, where, enrich and redact, and every sink.
Looks for all that run needs to start, such as the state directory and
admin.listen.

Prints one line for each finding: ok, note, warn or FAILED; then a summary. If
something failed, the summary is the error. On a terminal it wraps lines, and
colors the marks unless NO_COLOR is set or TERM is dumb.

run logs the same warnings when it starts, and refuses to start for the same
failures of the state directory, dead letters and admin.listen. check writes
nothing and does not disturb a running sluice.

With --against-running it asks the sluice that runs with this file what a reload
would do: which keys have another value, and which lanes end, restart and start;
or why it would be refused. That process reads the file itself, so neither its
environment nor its secrets are needed here, but for admin.token.`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if running && sendTest {
				return usageError{errors.New("--against-running and --send-test exclude each other; write one of them"), cmd.CommandPath()}
			}
			if running {
				return c.checkAgainstRunning(cmd.Context(), file)
			}
			cfg, err := c.load(file)
			if err != nil {
				return err
			}
			return c.checkAll(cmd.Context(), cfg, sendTest)
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().BoolVar(&running, "against-running", false, "say what a reload of the running sluice would do")
	cmd.Flags().BoolVar(&sendTest, "send-test", false, "publish one event, marked as a test, through each sink")
	return cmd
}

func (c *command) checkAll(ctx context.Context, cfg *config.Config, sendTest bool) error {
	sheet := newSheet(c.stdout)
	sheet.print(found("configuration", "valid", nil))
	here := preflight(ctx, cfg)
	sheet.print(here...)
	sheet.printEach(len(cfg.Sources), func(i int) []finding { return checkSource(ctx, cfg.Sources[i]) })
	for _, s := range cfg.Sinks {
		if s.Prepare.IsSet() {
			text, err := checkPreparation(cfg, s)
			sheet.print(found("sink "+s.Name, text, err))
		}
	}
	if shared := sharedOf(cfg); shared != nil {
		text, err := checkState(ctx, cfg, shared)
		here = append(here, found("state", text, err))
		sheet.print(here[len(here)-1])
		sheet.print(checkOwnLog(ctx, cfg, shared)...)
	}
	lanes := cfg.Lanes()
	if noneFailed(here) {
		sheet.print(checkPauses(ctx, cfg)...)
	}
	work := sheet.printEach(len(lanes), func(i int) []finding { return checkLane(ctx, lanes[i], sendTest) })
	if work && noneFailed(here) { // What failed may hold a position.
		sheet.print(checkPositions(ctx, cfg)...)
		sheet.print(formerElsewhere(ctx, cfg)...)
	}
	return sheet.summarize(len(cfg.Sources), len(lanes))
}

// checkOwnLog checks whether the state can hold the own log.
func checkOwnLog(ctx context.Context, cfg *config.Config, shared sharedState) []finding {
	if !cfg.HasOwnLanes() {
		return nil
	}
	own := shared.ownLog(zerolog.Nop())
	text, err := within(ctx, own.Check)
	return []finding{found("own log", text, errors.Join(err, own.Close()))}
}

func checkSource(ctx context.Context, s config.Source) []finding {
	var heard warnings
	text, err := askSource(ctx, s, heard.log())
	return heard.below(found("source "+s.Name, text, err))
}

func askSource(ctx context.Context, s config.Source, log zerolog.Logger) (text string, err error) {
	opened, err := s.Type.Open(ctx, source.OpenEnv{Source: s.Name, Log: log}, s.Settings)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	return within(ctx, opened.Check)
}

func checkLane(ctx context.Context, l config.Lane, sendTest bool) []finding {
	var heard warnings
	text, err := checkSink(ctx, l, sendTest, heard.log())
	return heard.below(found("lane "+l.Name, text, err))
}

// checkPositions finds lanes that lost their position.
func checkPositions(ctx context.Context, cfg *config.Config) (list []finding) {
	positions, err := openPositionsAndOwners(ctx, cfg)
	if err != nil {
		return []finding{found("positions", "", err)}
	}
	for _, l := range cfg.Lanes() {
		saved := positions.look(ctx, l)
		if saved.Err == nil && saved.Position == nil {
			saved.Err = positions.wasLost(ctx, cfg, l)
		}
		if saved.Err != nil {
			list = append(list, found("position of lane "+l.Name, "", saved.Err))
		}
	}
	if err := positions.close(); err != nil {
		list = append(list, found("positions", "", err))
	}
	return list
}

// checkPauses finds the lanes that somebody paused.
func checkPauses(ctx context.Context, cfg *config.Config) (list []finding) {
	store := openPauses(cfg)
	defer store.close()
	for _, l := range cfg.Lanes() {
		m, err := store.Look(ctx, l.Name)
		if err != nil {
			return append(list, found("paused lanes", "", err))
		}
		if m == nil {
			continue
		}
		f := finding{about: "lane " + l.Name, mark: warning, text: "it is " + oneLine(pauseOf(m).String()),
			hint: fmt.Sprintf("it delivers nothing until sluice resume -c %s %s", quoted(cfg.Path), l.Name)}
		if m.Err != nil {
			f = found(f.about, "", fmt.Errorf("it is paused: %w", m.Err))
		}
		list = append(list, f)
	}
	return list
}

func within(ctx context.Context, check func(context.Context) (string, error)) (string, error) {
	limited, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	text, err := check(limited)
	if err != nil && ctx.Err() == nil && limited.Err() != nil {
		err = slow{err}
	}
	return text, err
}

// slow is the error of a check that checkTimeout ended.
type slow struct{ error }

func (s slow) Error() string { return fmt.Sprintf("not done after %s: %v", checkTimeout, s.error) }
func (s slow) Unwrap() error { return s.error }

func (s slow) ErrorHint() string {
	return cmp.Or(failure.Hint(s.error), "the requests of the check each got an answer too late, or had to wait: see whether the server and the network are overloaded, and check again")
}

// checkPreparation opens what enrich and redact need. It describes what is done to
// events and how old the databases are.
func checkPreparation(cfg *config.Config, s config.Sink) (string, error) {
	var stock prepare.Stock
	var using []any // what keeps the databases open
	defer func() { runtime.KeepAlive(using) }()
	for _, l := range cfg.Lanes() {
		if l.Sink.Name != s.Name {
			continue
		}
		prepared, err := newPreparation(l, &stock)
		if err != nil {
			return "", err
		}
		using = append(using, prepared)
	}
	var done []string
	if s.Prepare.Where.IsSet() {
		done = append(done, "gets events where "+strings.ReplaceAll(s.Prepare.Where.String(), "\n", " "))
	}
	for _, d := range stock.Databases() {
		done = append(done, fmt.Sprintf("enriches from %s, %d days old", d, time.Since(d.Built())/(24*time.Hour)))
	}
	for _, f := range s.Prepare.Redact.Fields {
		done = append(done, fmt.Sprintf("redacts %s: %s", f.Name, f.How))
	}
	return strings.Join(done, "; "), nil
}

// checkState checks whether replicas can share the lanes' positions.
func checkState(ctx context.Context, cfg *config.Config, shared sharedState) (text string, err error) {
	positions := shared.positions(confirmNothing, zerolog.Nop())
	defer positions.Close()
	for _, l := range cfg.Lanes() {
		text, err = within(ctx, func(ctx context.Context) (string, error) { return positions.Check(ctx, l.Name) })
		if err != nil {
			return "", err
		}
	}
	pauses := shared.pauses(zerolog.Nop())
	defer pauses.Close()
	missing, err := pauses.Check(ctx)
	if err != nil {
		return "", err
	}
	if missing != "" {
		text += "; " + missing + " is missing and will be created"
	}
	replicas, err := within(ctx, shared.check)
	return text + "; " + replicas, err
}

func checkSink(ctx context.Context, l config.Lane, sendTest bool, log zerolog.Logger) (text string, err error) {
	snk, err := l.Sink.Type.Open(ctx, sinkEnv(l, log), l.Sink.Settings)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, snk.Close()) }()
	encoder, err := newTransformer(l, snk)
	if err != nil {
		return "", err
	}
	text = "the sink has nothing to check"
	if checker, ok := snk.(sink.Checker); ok {
		if text, err = within(ctx, checker.Check); err != nil {
			return "", err
		}
	}
	warnWithoutWindow(l, limitsOf(snk), log)
	if window := windowText(l, limitsOf(snk)); window != "" {
		text += "; " + window
	}
	if !sendTest {
		return text, nil
	}
	event, err := testEvent(l)
	if err != nil {
		return "", err
	}
	record, err := encoder.Transform(nil, event)
	if err != nil {
		return "", err
	}
	// Some destinations confirm late. Their limits name how long that takes.
	ctx, cancel := context.WithTimeout(ctx, max(checkTimeout, limitsOf(snk).Timeout))
	defer cancel()
	if err := snk.Publish(ctx, []sink.Record{record}); err != nil {
		return "", err
	}
	return text + "; test event " + record.ID + " published", nil
}

// testEvent is marked as a test by its action, which no audit log uses.
func testEvent(l config.Lane) (*source.Event, error) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	id := fmt.Sprintf("test:%d", now.UnixMilli())
	k := l.Source.Type.Product.Keys.Own()
	raw, err := source.RawOf(
		source.Member{Key: k.ID, Value: id}, source.Member{Key: k.Action, Value: sink.TestAction},
		source.Member{Key: k.Verb, Value: "test"}, source.Member{Key: "lane", Value: l.Name},
		source.Member{Key: k.Time, Value: now.Format("2006-01-02T15:04:05.000Z07:00")},
		source.Member{Key: "text", Value: "A test of Sluice, not an audit event."},
	)
	return &source.Event{ID: id, Time: now, Read: now, Organization: organization(l.Source), Action: sink.TestAction, Verb: "test", Raw: raw}, err
}

// organization is the one that the source's records name; empty if its type has none.
func organization(s config.Source) string {
	if s.Type.Name == ownlog.Name {
		return ownlog.Organization
	}
	if settings, ok := s.Settings.(source.Organizer); ok {
		return settings.OrganizationName()
	}
	return ""
}
