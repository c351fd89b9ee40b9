package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/internal/stdio"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
	"github.com/sluice-siem/sluice/pkg/transform/prepare"
	"github.com/sluice-siem/sluice/pkg/transform/where"
)

func (c *command) replay() *cobra.Command {
	var file, from, to string
	r := &replay{command: c}
	cmd := &cobra.Command{
		Use:   "replay -c FILE --sink NAME --from TIME --to TIME",
		Short: "Send a range of the log once more to one sink",
		Long: `Send a range of the log once more to one sink: the events from one time on, up
to and without another, filtered, enriched, redacted and encoded as for that
sink, and marked as replayed. No lane's position moves, and sluice may be
running, unless the sink is a file, which it holds exclusively.

The command first reads the range and says how many events it holds. Then it
asks. Without a terminal and without --yes it ends there, having sent nothing:
so it tells what it would send. A range that is not over yet ends now.

It warns if the range begins before what the destination takes.

It ends with the numbers of published, filtered and refused events. A refused
event becomes no dead letter: the command shows the reason and ends with 1. If
it is interrupted, it says with which command to go on.

Requests go behind those of the sluice that runs with this configuration, and
both together keep to requests_per_minute. All but records goes to the standard
error.`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load(file)
			if err != nil {
				return err
			}
			if err := r.choose(cfg, from, to); err != nil {
				return usageError{err, cmd.CommandPath()}
			}
			return r.run(cmd.Context())
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&r.sink, "sink", "", "sink that gets the events (required)")
	cmd.Flags().StringVar(&from, "from", "", "RFC 3339 time of the first events (required)")
	cmd.Flags().StringVar(&to, "to", "", "RFC 3339 time before which the range ends (required)")
	cmd.Flags().StringSliceVar(&r.sources, "source", nil, "only events of this source; default all of the sink's but Sluice's own log")
	cmd.Flags().StringVar(&r.where, "where", "", "only events for which this condition holds, as well as the sink's own")
	cmd.Flags().BoolVar(&r.yes, "yes", false, "do not ask")
	return cmd
}

// replay is one run of the command.
type replay struct {
	*command
	cfg         *config.Config
	timeRange   timeRange
	wanted      time.Time // --to if that is in the future; zero if it is not
	sink, where string
	sources     []string
	yes         bool

	parts []*replayPart // one for each source, in the order of the configuration
	told  io.Writer     // what is for people; the standard error, a line at a time
	log   zerolog.Logger
	stock prepare.Stock
}

// choose finds what to send, and makes a part for each source.
func (r *replay) choose(cfg *config.Config, from, to string) (err error) {
	r.cfg = cfg
	if err := r.chooseRange(from, to); err != nil {
		return err
	}
	if r.sink == "" {
		return errors.New("--sink is required")
	}
	chosen, err := sinkNamed(cfg, r.sink)
	if err != nil {
		return err
	}
	var known []string
	wanted := r.sources
	if len(wanted) == 0 {
		wanted = chosen.Sources
	}
	if len(wanted) == 0 { // own_events: only
		wanted = []string{cfg.Own.Name}
	}
	for _, l := range cfg.Lanes() {
		if l.Sink.Name != r.sink {
			continue
		}
		if known = append(known, l.Source.Name); !slices.Contains(wanted, l.Source.Name) {
			continue
		}
		p := &replayPart{replay: r, lane: l, timeRange: r.timeRange}
		if err := p.narrow(r.where); err != nil {
			return err
		}
		r.parts = append(r.parts, p)
	}
	for _, name := range wanted {
		if !slices.Contains(known, name) {
			return fmt.Errorf("sink %s gets no events of source %q; it gets those of %q", r.sink, name, known)
		}
	}
	return nil
}

// chooseRange finds the range. One that is not over yet ends now, since nobody knows what
// is still to come.
func (r *replay) chooseRange(from, to string) (err error) {
	for _, flag := range []struct {
		name, text string
		to         *time.Time
	}{{"--from", from, &r.timeRange.from}, {"--to", to, &r.timeRange.to}} {
		if flag.text == "" {
			return fmt.Errorf("%s is required", flag.name)
		}
		*flag.to, err = time.Parse(time.RFC3339, flag.text)
		if err != nil || strings.Contains(flag.text, ",") { // time.Parse takes a comma for the point.
			return fmt.Errorf("%s %q is not a time such as 2026-01-31T00:00:00Z", flag.name, flag.text)
		}
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	switch {
	case !r.timeRange.from.Before(r.timeRange.to):
		return fmt.Errorf("the range is empty: --from %s is not before --to %s", from, to)
	case !r.timeRange.from.Before(now):
		return fmt.Errorf("--from %s is in the future: it is %s", from, now.Format(time.RFC3339))
	case r.timeRange.to.After(now):
		r.wanted, r.timeRange.to = r.timeRange.to, now
	}
	return nil
}

// narrow adds a condition to the sink's own.
func (p *replayPart) narrow(text string) error {
	if text == "" {
		return nil
	}
	product := &p.lane.Source.Type.Product
	condition := where.For(product)
	err := condition.UnmarshalText([]byte(text))
	if err == nil {
		p.filter, err = condition.Filter(product, p.lane.Source.Catalogue)
	}
	if err != nil {
		return fmt.Errorf("--where %w", err)
	}
	return nil
}

func (r *replay) run(ctx context.Context) (err error) {
	r.told = zerolog.SyncWriter(r.stderr)
	r.log = logger(logLines(r.told, r.stderr, r.cfg.Log), r.cfg.Log).Level(max(zerolog.WarnLevel, r.cfg.Log.Level))
	if !r.wanted.IsZero() {
		end := r.timeRange.to.Format(time.RFC3339Nano)
		r.say("the range is not over yet: it is sent up to now, %s; send the rest later with --from %s", end, end)
	}
	release, err := r.alone()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	running := newRunningSluice(r.cfg.Admin, r.log)
	for _, p := range r.parts {
		if err := p.open(ctx, running); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, p.close()) }()
	}
	r.parts[0].warnOfWindow() // All go to one sink.
	total := 0
	for _, p := range r.parts {
		if err := p.count(ctx); err != nil {
			return err
		}
		r.say("%s", p.counted)
		total += p.counted.wanted
	}
	if total == 0 {
		r.say("nothing to send")
		return nil
	}
	if err := r.confirm(ctx, total); err != nil {
		return err
	}
	return r.send(ctx)
}

// say writes a line for people. The standard output may be the sink's.
func (r *replay) say(format string, args ...any) {
	fmt.Fprintln(r.told, printable(fmt.Sprintf(format, args...)))
}

// confirm asks whether to go on.
func (r *replay) confirm(ctx context.Context, total int) error {
	if r.yes {
		return nil
	}
	if terminal, ok := r.stdin.(io.Writer); !ok || !stdio.Terminal(terminal) {
		return usageError{errors.New("nothing was sent: without a terminal to ask on, add --yes"), ""}
	}
	fmt.Fprintf(r.told, "Send %s to sink %s again? [y/N] ", several(total, "event"), r.sink)
	answer, err := bufio.NewReader(interruptible(ctx, r.stdin)).ReadString('\n')
	if err != nil {
		r.say("") // What follows begins a line.
	}
	if err != nil && !errors.Is(err, io.EOF) && ctx.Err() == nil {
		return err
	}
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
		return errors.New("nothing was sent")
	}
	return nil
}

// send sends the parts, and says so in the own log, however it ends.
func (r *replay) send(ctx context.Context) error {
	err := r.sendParts(ctx)
	if told := r.tell(context.WithoutCancel(ctx), r.cfg, r.event(err == nil)); told != nil && err == nil {
		return fmt.Errorf("the events were sent: %w", told)
	}
	return err
}

// event is the event of the own log about the replay.
func (r *replay) event(done bool) ownlog.Event {
	var sources []string
	var published, filtered, refused uint64
	for _, p := range r.parts {
		sources = append(sources, p.lane.Source.Name)
		if p.sending != nil {
			s := p.sending.Status()
			published, filtered, refused = published+s.Published, filtered+s.Filtered, refused+s.Rejected
		}
	}
	from, to := r.timeRange.from.UTC().Format(time.RFC3339Nano), r.timeRange.to.UTC().Format(time.RFC3339Nano)
	e := ownlog.New(ownlog.Replayed, ownlog.Party{Type: "sink", Name: r.sink},
		fmt.Sprintf("%s from %s to %s were sent again to sink %s.", several(int(published), "event"), from, to, r.sink))
	e.Details = map[string]any{
		"sources": sources, "from": from, "to": to, "published": published, "filtered": filtered, "refused": refused, "done": done,
	}
	if r.where != "" {
		e.Details["where"] = r.where
	}
	return e
}

// sendParts sends the parts one after the other. After a failure it says how to go on.
func (r *replay) sendParts(ctx context.Context) error {
	refused := 0
	for i, p := range r.parts {
		err := p.send(ctx)
		r.say("%s", p.result())
		refused += p.refused.n
		if rest := r.rest(r.parts[i:]); err != nil && rest != "" {
			hint := "go on with: " + rest
			if first := failure.Hint(err); first != "" {
				hint = first + "; then " + hint
			}
			return sink.Hint(err, hint)
		}
		if err != nil {
			return err
		}
	}
	if refused > 0 {
		return sink.Hint(fmt.Errorf("%s refused by sink %s", several(refused, "event"), r.sink),
			"the events are still in the log: remove the cause, then replay them again")
	}
	return nil
}

// rest returns the line for a shell that sends what is not known to be delivered; empty if
// there is nothing. It has a command for the part under way, and one for those that have
// not begun.
func (r *replay) rest(left []*replayPart) string {
	var commands []string
	if p := left[0]; p.resume().Before(r.timeRange.to) {
		commands = append(commands, r.again(p.resume(), left[:1]))
	}
	if len(left) > 1 {
		commands = append(commands, r.again(r.timeRange.from, left[1:]))
	}
	return strings.Join(commands, " && ")
}

// again returns the command that sends parts of the log from a time on.
func (r *replay) again(from time.Time, parts []*replayPart) string {
	words := []string{
		"sluice replay -c", quoted(r.cfg.Path), "--sink", quoted(r.sink),
		"--from", from.UTC().Format(time.RFC3339Nano), "--to", r.timeRange.to.UTC().Format(time.RFC3339Nano),
	}
	for _, p := range parts {
		words = append(words, "--source", quoted(p.lane.Source.Name))
	}
	if r.where != "" {
		words = append(words, "--where", quoted(r.where))
	}
	if r.yes {
		words = append(words, "--yes")
	}
	return strings.Join(words, " ")
}
