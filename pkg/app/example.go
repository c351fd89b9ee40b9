package app

import (
	"fmt"
	"io/fs"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sluice-siem/sluice/configs"
)

func (c *command) example() *cobra.Command {
	return &cobra.Command{
		Use:   "example [NAME]",
		Short: "Print an annotated configuration to begin with",
		Long: `Print an annotated configuration to begin with, such as that of a sink. Without
NAME, list the examples. sluice.yaml has every key.`,
		Example: `  sluice example
  sluice example kafka >sluice.yaml`,
		Args:      usage(cobra.MaximumNArgs(1)),
		ValidArgs: examples(),
		RunE: func(cmd *cobra.Command, name []string) error {
			if len(name) == 0 {
				return c.listExamples()
			}
			data, err := fs.ReadFile(configs.Files, name[0]+exampleEnding)
			if err != nil {
				return usageError{fmt.Errorf("unknown example %q; known: %q", name[0], examples()), cmd.CommandPath()}
			}
			_, err = c.stdout.Write(data)
			return err
		},
	}
}

const exampleEnding = ".yaml"

func (c *command) listExamples() error {
	table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	for _, name := range examples() {
		data, err := fs.ReadFile(configs.Files, name+exampleEnding)
		if err != nil {
			return err
		}
		fmt.Fprintf(table, "%s\t%s\n", name, firstSentence(string(data)))
	}
	return table.Flush()
}

// firstSentence returns that of the comment with which a file begins.
func firstSentence(file string) string {
	comment, _, _ := strings.Cut(strings.TrimPrefix(file, "# "), ".\n")
	comment, _, _ = strings.Cut(strings.ReplaceAll(comment, "\n# ", " "), ". ")
	return comment
}

func examples() (names []string) {
	files, _ := fs.Glob(configs.Files, "*"+exampleEnding) // The pattern is well formed.
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f, exampleEnding))
	}
	return names
}
