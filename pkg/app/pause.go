package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/pause"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
)

func (c *command) pause() *cobra.Command {
	var file, reason string
	cmd := &cobra.Command{
		Use:   "pause -c FILE LANE...",
		Short: "Let lanes wait, such as while a SIEM is down",
		Long: `Let lanes wait until sluice resume. Sluice may be running or not.

A lane that runs settles the Publish under way and ends within seconds. It does
not start again before it is resumed, whatever is restarted meanwhile, and
whichever replica owns it. Its position stays, so it resumes where it was.

The log forgets events after a while. Prints for each lane until when waiting
loses none. A paused lane is shown in the console, in /readyz and by the metric
sluice_lane_paused, with who paused it, when and why.`,
		Args: usage(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return c.onLanes(cmd, file, names, func(p *pauser, ctx context.Context, l config.Lane) error {
				return p.pause(ctx, l, reason)
			})
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&reason, "reason", "", "why, for those who see the lane wait")
	return cmd
}

func (c *command) resume() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "resume -c FILE LANE...",
		Short: "Let paused lanes run again",
		Long: `Let lanes run again that sluice pause stopped. Sluice may be running or not.

A running sluice starts them within seconds, from where they were. If the log
has forgotten events that waited, the lane reports a gap.`,
		Args: usage(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return c.onLanes(cmd, file, names, (*pauser).resume)
		},
	}
	configFlag(cmd, &file)
	return cmd
}

// onLanes pauses or resumes lanes. It goes on with the others if one fails.
func (c *command) onLanes(cmd *cobra.Command, file string, names []string, do func(*pauser, context.Context, config.Lane) error) error {
	cfg, err := c.load(file)
	if err != nil {
		return err
	}
	lanes, err := pick(cfg, names)
	if err != nil {
		return usageError{err, cmd.CommandPath()}
	}
	p := &pauser{command: c, cfg: cfg, store: openPauses(cfg)}
	defer p.store.close()
	var errs []error
	for _, l := range lanes {
		errs = append(errs, do(p, cmd.Context(), l))
	}
	return errors.Join(errs...)
}

// pauses stores which lanes are paused, for commands.
type pauses struct {
	pauseStore
	close func()
}

type pauseStore interface {
	Pause(context.Context, pause.Marker) error
	Resume(ctx context.Context, lane string) (was bool, err error)
	Look(ctx context.Context, lane string) (*pause.Marker, error)
}

func openPauses(cfg *config.Config) pauses {
	if shared := sharedOf(cfg); shared != nil {
		t := shared.pauses(zerolog.Nop())
		return pauses{t, t.Close}
	}
	return pauses{pause.Dir(cfg.State.Dir), func() {}}
}

// pauseOf returns a marker in the words of the pipeline; nil for nil.
func pauseOf(m *pause.Marker) *pipeline.Pause {
	if m == nil {
		return nil
	}
	return &pipeline.Pause{Since: m.Since, By: m.By, Reason: m.Reason, Err: m.Err}
}

// pauser pauses and resumes lanes, and says what that means.
type pauser struct {
	*command
	cfg   *config.Config
	store pauses
}

func (p *pauser) pause(ctx context.Context, l config.Lane, reason string) error {
	there, err := p.store.Look(ctx, l.Name)
	if err != nil {
		return err
	}
	if there != nil && there.Err == nil && (reason == "" || reason == there.Reason) {
		fmt.Fprintf(p.stdout, "%s: is %s already\n  %s\n", l.Name, oneLine(pauseOf(there).String()), p.bears(ctx, l))
		return nil
	}
	m := pause.Marker{Lane: l.Name, Since: time.Now(), By: whoRuns(), Reason: reason}
	if there != nil && there.Err == nil {
		m.Since = there.Since // It has another reason, and waits as long.
	}
	if err := p.store.Pause(ctx, m); err != nil {
		return err
	}
	bears := p.bears(ctx, l)
	fmt.Fprintf(p.stdout, "%s: paused\n  %s\n", l.Name, bears)
	if err := p.tell(ctx, p.cfg, pauseEvent(ownlog.LanePaused, l, "is "+pauseOf(&m).String(), reason, bears)); err != nil {
		return fmt.Errorf("lane %s: it is paused: %w", l.Name, err)
	}
	return nil
}

// pauseEvent is the event of the own log about a lane that was paused or resumed.
func pauseEvent(action ownlog.Action, l config.Lane, what, reason, bears string) ownlog.Event {
	e := ownlog.New(action, ownlog.Party{Type: "lane", Name: l.Name}, fmt.Sprintf("Lane %s %s.", l.Name, what))
	e.Details = map[string]any{"waiting": bears}
	if reason != "" {
		e.Details["reason"] = reason
	}
	return e
}

func (p *pauser) resume(ctx context.Context, l config.Lane) error {
	there, err := p.store.Look(ctx, l.Name)
	if err != nil {
		return err
	}
	was, err := p.store.Resume(ctx, l.Name)
	switch {
	case err != nil:
		return err
	case !was || there == nil:
		fmt.Fprintf(p.stdout, "%s: was not paused\n", l.Name)
	default:
		bears := p.bears(ctx, l)
		fmt.Fprintf(p.stdout, "%s: resumed; it was %s\n  %s\n", l.Name, oneLine(pauseOf(there).String()), bears)
		if err := p.tell(ctx, p.cfg, pauseEvent(ownlog.LaneResumed, l, "was resumed; it was "+pauseOf(there).String(), there.Reason, bears)); err != nil {
			return fmt.Errorf("lane %s: it is resumed: %w", l.Name, err)
		}
	}
	return nil
}

// bears says how long the lane can wait.
func (p *pauser) bears(ctx context.Context, l config.Lane) string {
	d, none, err := describeSaved(ctx, p.cfg, l)
	switch {
	case err != nil:
		return "how long it can wait is not known: " + err.Error()
	case none:
		return "it has no position yet, and begins at its start, " + l.Sink.Start.String() + ", with what the log has then"
	}
	return untilForgotten(d, time.Now())
}

// untilForgotten says until when a lane can wait that does not run.
func untilForgotten(d source.Description, now time.Time) string {
	switch e := d.Expires; {
	case e.IsZero():
		return "waiting loses nothing that is known"
	case now.After(e):
		return fmt.Sprintf("the log has been forgetting events that wait since %s", when(e))
	default:
		return fmt.Sprintf("waiting loses no event before %s", when(e))
	}
}

// describeSaved describes the saved position of a lane; none is true if it has none.
func describeSaved(ctx context.Context, cfg *config.Config, l config.Lane) (d source.Description, none bool, err error) {
	src, err := openSourceOf(ctx, cfg, l, source.OpenEnv{Log: zerolog.Nop()})
	if err != nil {
		return d, false, err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	positions, err := openPositions(cfg)
	if err != nil {
		return d, false, err
	}
	defer func() { err = errors.Join(err, positions.close()) }()
	saved := positions.look(ctx, l)
	d, err = describe(src, saved)
	return d, saved.Err == nil && saved.Position == nil, err
}

// whoRuns names the person who runs a command, as user@host.
func whoRuns() string {
	name := fmt.Sprintf("uid %d", os.Getuid())
	if c := caller(); c != nil {
		name = c.Name
	}
	return strings.TrimSuffix(name+"@"+hostname(), "@")
}
