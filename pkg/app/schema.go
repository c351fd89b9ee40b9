package app

import (
	"github.com/spf13/cobra"

	"github.com/sluice-siem/sluice/pkg/config"
)

func (c *command) schema() *cobra.Command {
	var sources bool
	command := &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration",
		Long: `Print the JSON Schema of the configuration, for editors and pipelines. It has
the types of source, sink and format that this build has.

An editor with the YAML language server uses it if the configuration begins with

    # yaml-language-server: $schema=sluice.schema.json

The schema cannot see everything that check does: whether names exist, files can
be read, or keys contradict each other.`,
		Example: `  sluice schema >sluice.schema.json
  sluice schema --sources >sources.schema.json`,
		Args: usage(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			text, err := config.Describe(c.kinds).Schema(sources)
			if err != nil {
				return err
			}
			_, err = c.stdout.Write(append(text, '\n'))
			return err
		},
	}
	command.Flags().BoolVar(&sources, "sources", false, "print that of a file which the key sources names in place of a list")
	return command
}
