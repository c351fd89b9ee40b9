package app

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

func (c *command) initialize() *cobra.Command {
	var file, url string
	command := &cobra.Command{
		Use:   "init",
		Short: "Ask a few questions and write a configuration",
		Long: `Ask a few questions and write a configuration: whose log to follow, with which
credentials, and where to. Secrets go into files of their own beside it, which
only you can read. Nothing that exists is overwritten.`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.writeFirst(cmd.Context(), file, url)
		},
	}
	command.Flags().StringVarP(&file, "config", "c", "sluice.yaml", "configuration `file` to write")
	command.Flags().StringVar(&url, "url", "", "address of the API, such as that of sluice simulate")
	return command
}

// writeFirst asks and writes. If the answers make no configuration, it leaves nothing.
func (c *command) writeFirst(ctx context.Context, file, url string) (err error) {
	path, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return usageError{errors.Join(err, fmt.Errorf("%s exists; name another file with -c", file)), ""}
	}
	d := &draft{dir: filepath.Dir(path), ctx: ctx, in: bufio.NewReader(interruptible(ctx, c.stdin)), command: c}
	defer func() {
		if err != nil {
			d.discard()
		}
	}()
	text, err := d.ask(url)
	if err != nil {
		return err
	}
	if err := d.write(path, text); err != nil {
		return err
	}
	if _, err := config.Load(path, c.kinds); err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "wrote %s\nnext:\n  sluice check -c %[1]s\n  sluice run -c %[1]s\n", quoted(file))
	return nil
}

// draft is a configuration that is being written.
type draft struct {
	*command
	ctx   context.Context
	dir   string
	in    *bufio.Reader
	wrote []string // files, to be removed if it fails
}

// ask returns the text of the configuration.
func (d *draft) ask(url string) ([]byte, error) {
	from, err := choose(d, "Log to follow", d.kinds.Sources, func(t source.Type) string { return t.Name })
	if err != nil {
		return nil, err
	}
	settings, name, err := d.settings("sources", from.Name, from.Settings())
	if err != nil {
		return nil, err
	}
	if url != "" {
		settings = append(settings, yaml.MapItem{Key: "url", Value: literal(url)})
	}
	to, err := choose(d, "Where to", d.kinds.Sinks, func(t sink.Type) string { return t.Name })
	if err != nil {
		return nil, err
	}
	destination, _, err := d.settings("sinks", to.Name, to.Settings())
	if err != nil {
		return nil, err
	}
	siem := yaml.MapSlice{{Key: "name", Value: "siem"}, {Key: "type", Value: to.Name}}
	if len(destination) > 0 {
		siem = append(siem, yaml.MapItem{Key: "settings", Value: destination})
	}
	body, err := yaml.MarshalWithOptions(yaml.MapSlice{
		{Key: "sources", Value: []yaml.MapSlice{{{Key: "name", Value: name}, {Key: "type", Value: from.Name}, {Key: "settings", Value: settings}}}},
		{Key: "sinks", Value: []yaml.MapSlice{siem}},
		{Key: "state", Value: yaml.MapSlice{{Key: "settings", Value: yaml.MapSlice{{Key: "dir", Value: literal(filepath.Join(d.dir, "state"))}}}}},
	}, yaml.IndentSequence(true))
	const head = "# Written by sluice init. sluice example shows what else there is.\n"
	return append([]byte(head), body...), err
}

// settings asks for the settings of a type of sources or sinks. first is the first answer,
// which names a log.
func (d *draft) settings(group, kind string, of any) (settings yaml.MapSlice, first string, err error) {
	asker, ok := of.(setting.Asker)
	if !ok {
		return nil, "", nil
	}
	for _, q := range asker.Questions() {
		answer, err := d.answer(q, func(answer string) error {
			name := "siem"
			if group == "sources" {
				name = cmp.Or(first, answer)
			}
			return d.wrong(group, kind, name, append(slices.Clip(settings), item(q, answer)))
		})
		if err != nil {
			return nil, "", err
		}
		first = cmp.Or(first, answer)
		if q.Secret {
			path := filepath.Join(d.dir, kind+"_"+q.Key)
			if err := d.write(path, []byte(answer+"\n")); err != nil {
				return nil, "", err
			}
			q.Key, answer = q.Key+"_file", path
		}
		settings = append(settings, item(q, answer))
	}
	return settings, first, nil
}

// item is an answer as a setting. Nothing in it is expanded.
func item(q setting.Question, answer string) yaml.MapItem {
	if q.List {
		return yaml.MapItem{Key: q.Key, Value: strings.Split(literal(answer), ",")}
	}
	return yaml.MapItem{Key: q.Key, Value: literal(answer)}
}

// wrong returns what is wrong with the last of the settings of a source or sink. Others may
// still be missing.
func (d *draft) wrong(group, kind, name string, settings yaml.MapSlice) error {
	entry := yaml.MapSlice{{Key: "name", Value: literal(name)}, {Key: "type", Value: kind}, {Key: "settings", Value: settings}}
	text, err := yaml.Marshal(yaml.MapSlice{{Key: group, Value: []yaml.MapSlice{entry}}})
	if err != nil {
		return err
	}
	_, err = config.Parse("", text, d.kinds, os.LookupEnv)
	var problems config.Errors
	errors.As(err, &problems)
	key := fmt.Sprintf("%s[0].settings.%v", group, settings[len(settings)-1].Key)
	for _, p := range problems {
		if p.Key == key || strings.HasPrefix(p.Key, key+"[") || len(settings) == 1 && p.Key == group+"[0].name" {
			return fmt.Errorf("%s: %s", settings[len(settings)-1].Key, p.Text)
		}
	}
	return nil
}

// literal writes a value so that nothing in it is expanded.
func literal(text string) string { return strings.ReplaceAll(text, "$", "$$") }

// choose asks for one of several types. It does not ask if there is only one.
func choose[T any](d *draft, text string, all []T, name func(T) string) (T, error) {
	if len(all) == 1 {
		return all[0], nil
	}
	var names []string
	for _, t := range all {
		names = append(names, name(t))
	}
	var chosen T
	q := setting.Question{Text: fmt.Sprintf("%s (%s)", text, strings.Join(names, ", ")), Default: names[0]}
	_, err := d.answer(q, func(answer string) error {
		i := slices.Index(names, answer)
		if i < 0 {
			return fmt.Errorf("%q is none of %s", answer, strings.Join(names, ", "))
		}
		chosen = all[i]
		return nil
	})
	return chosen, err
}

// answer asks until there is an answer with which nothing is wrong. What is typed as a
// secret does not show.
func (d *draft) answer(q setting.Question, wrong func(answer string) error) (string, error) {
	var told error
	for {
		fmt.Fprint(d.stderr, q.Text)
		if q.Default != "" {
			fmt.Fprintf(d.stderr, " [%s]", q.Default)
		}
		fmt.Fprint(d.stderr, ": ")
		text, err := d.line(q.Secret)
		ended := errors.Is(err, io.EOF)
		if err != nil && !ended {
			return "", fmt.Errorf("no answer to %q: %w", q.Text, err)
		}
		text = strings.TrimSpace(text)
		if ended && text == "" && told != nil {
			return "", told
		}
		if text = cmp.Or(text, q.Default); text != "" {
			if told = wrong(text); told == nil {
				return text, nil
			}
			fmt.Fprintf(d.stderr, "%v\n", told)
		}
		if ended {
			return "", cmp.Or(told, fmt.Errorf("no answer to %q: %w", q.Text, err))
		}
	}
}

func (d *draft) line(secret bool) (string, error) {
	terminal, ok := d.stdin.(*os.File)
	if !secret || !ok || !term.IsTerminal(int(terminal.Fd())) {
		return d.in.ReadString('\n')
	}
	return d.password(int(terminal.Fd()))
}

// password reads a line that does not show. If ctx ends, the terminal shows again what is
// typed.
func (d *draft) password(fd int) (string, error) {
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	defer fmt.Fprintln(d.stderr)
	type line struct {
		text []byte
		err  error
	}
	typed := make(chan line, 1)
	go func() {
		text, err := term.ReadPassword(fd)
		typed <- line{text, err}
	}()
	select {
	case l := <-typed:
		return string(l.text), l.err
	case <-d.ctx.Done():
		return "", errors.Join(d.ctx.Err(), term.Restore(fd, before))
	}
}

// write makes a file that only this user can read.
func (d *draft) write(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return sink.Hint(err, "remove the file, or write the configuration into another directory")
	}
	d.wrote = append(d.wrote, path)
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

func (d *draft) discard() {
	for _, path := range d.wrote {
		if err := os.Remove(path); err != nil {
			fmt.Fprintf(d.stderr, "sluice: error: %v\n", err)
		}
	}
}
