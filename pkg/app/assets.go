package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink/elasticsearch"
)

func (c *command) assets() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "assets",
		Short: "Install what a SIEM needs for the records",
		Args:  usage(cobra.NoArgs),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.assetsInstall())
	return cmd
}

// products are those that sluice assets install knows.
var products = []string{"elasticsearch", "opensearch"}

// reach says where to install.
type reach struct {
	file, sink                              string
	url, apiKeyFile, username, passwordFile string
	caFile, fingerprint                     string
	allowHTTP                               bool
}

func (c *command) assetsInstall() *cobra.Command {
	var at reach
	var how elasticsearch.Installation
	cmd := &cobra.Command{
		Use:   "install PRODUCT {-c FILE --sink NAME | --url URL}",
		Short: "Install index templates and ingest pipelines",
		Long: `Install the index templates and ingest pipelines for records in the format ecs:
those of the audit log, and those of Sluice's own log. PRODUCT is elasticsearch
or opensearch.

Takes the address and the credential of a sink of the configuration. That
credential should only be allowed to write events, so give another one with
--api-key-file, or with --username and --password-file. It needs the cluster
privileges manage_index_templates, manage_pipeline and monitor.

Prints a line for each object. What is current stays as it is, and an older
version is replaced. If an object of that name is not Sluice's, nothing is
changed, unless --replace is given.`,
		Example: `  sluice assets install elasticsearch -c sluice.yaml --sink siem --dry-run
  sluice assets install opensearch --url https://os:9200 --username admin \
    --password-file password`,
		Args:      usage(cobra.ExactArgs(1)),
		ValidArgs: products,
		RunE: func(cmd *cobra.Command, args []string) error {
			if how.Product = args[0]; !slices.Contains(products, how.Product) {
				return usageError{fmt.Errorf("unknown product %q; known: %s", how.Product, strings.Join(products, ", ")), cmd.CommandPath()}
			}
			return c.install(cmd, at, how)
		},
	}
	configFlag(cmd, &at.file)
	cmd.Flags().Lookup("config").Usage = "configuration file"
	cmd.Flags().StringVar(&at.sink, "sink", "", "name of a sink of type elasticsearch in the configuration")
	cmd.Flags().StringVar(&at.url, "url", "", "address of the server, in place of -c and --sink")
	cmd.Flags().StringVar(&at.apiKeyFile, "api-key-file", "", "file with an API key in its encoded form")
	cmd.Flags().StringVar(&at.username, "username", "", "name of a user")
	cmd.Flags().StringVar(&at.passwordFile, "password-file", "", "file with the password of the user")
	cmd.Flags().StringVar(&at.caFile, "ca-file", "", "PEM file with the authority of the server, with --url")
	cmd.Flags().StringVar(&at.fingerprint, "ca-fingerprint", "", "SHA-256 of the authority's certificate, with --url")
	cmd.Flags().BoolVar(&at.allowHTTP, "allow-http", false, "send the credential in clear text, with --url http://")
	cmd.Flags().BoolVar(&how.DryRun, "dry-run", false, "only say what would be installed")
	cmd.Flags().BoolVar(&how.Replace, "replace", false, "also replace objects that Sluice did not make")
	return cmd
}

func (c *command) install(cmd *cobra.Command, at reach, how elasticsearch.Installation) error {
	settings, err := c.reach(cmd, at)
	if err != nil {
		return err
	}
	how.Report = func(a elasticsearch.Asset, found elasticsearch.State, done string) {
		fmt.Fprintf(c.stdout, "%-18s %s (it %s)\n", done, oneLine(a.String()), found)
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), checkTimeout)
	defer cancel()
	return elasticsearch.Install(ctx, settings, zerolog.Nop(), how)
}

// reach returns the settings of a sink for the flags.
func (c *command) reach(cmd *cobra.Command, at reach) (elasticsearch.Settings, error) {
	wrong := func(format string, args ...any) (elasticsearch.Settings, error) {
		return elasticsearch.Settings{}, usageError{fmt.Errorf(format, args...), cmd.CommandPath()}
	}
	var s elasticsearch.Settings
	switch byFile := at.file != "" || at.sink != ""; {
	case byFile && at.url != "":
		return wrong("--url stands in place of -c and --sink; write one of them")
	case at.file != "" && at.sink == "" || at.file == "" && at.sink != "":
		return wrong("-c and --sink go together; write both")
	case byFile && (at.caFile != "" || at.fingerprint != "" || at.allowHTTP):
		return wrong("the configuration says how to reach the server; --ca-file, --ca-fingerprint and --allow-http go with --url")
	case byFile:
		cfg, err := c.load(at.file)
		if err != nil {
			return s, err
		}
		found, err := elasticSink(cfg, at.sink)
		if err != nil {
			return wrong("%w", err)
		}
		s = *found
	case at.url == "":
		return wrong("no server: write -c FILE and --sink NAME, or --url URL")
	default:
		s = *elasticsearch.Type.Settings().(*elasticsearch.Settings)
		s.AllowHTTP, s.TLS.CAFile = at.allowHTTP, at.caFile
		if err := errors.Join(s.URL.UnmarshalText([]byte(at.url)), trust(&s, at.fingerprint)); err != nil {
			return wrong("%w", err)
		}
	}
	at.authorize(&s)
	for _, err := range append(s.Validate(), s.TLS.Validate()...) {
		return wrong("%w", err)
	}
	return s, nil
}

func trust(s *elasticsearch.Settings, text string) error {
	if text == "" {
		return nil
	}
	return setting.Invalid("--ca-fingerprint", s.CAFingerprint.UnmarshalText([]byte(text)))
}

// authorize puts the credential of the flags in place of the sink's.
func (at reach) authorize(s *elasticsearch.Settings) {
	if cmp.Or(at.apiKeyFile, at.username, at.passwordFile) == "" {
		return
	}
	s.APIKey, s.Token, s.Username, s.Password = setting.Secret{}, setting.Secret{}, at.username, setting.Secret{}
	if at.apiKeyFile != "" {
		s.APIKey = setting.SecretFile(at.apiKeyFile)
	}
	if at.passwordFile != "" {
		s.Password = setting.SecretFile(at.passwordFile)
	}
}

// elasticSink returns the settings of the sink with that name.
func elasticSink(cfg *config.Config, name string) (*elasticsearch.Settings, error) {
	var known []string
	for _, s := range cfg.Sinks {
		settings, ok := s.Settings.(*elasticsearch.Settings)
		switch {
		case ok && s.Name == name:
			return settings, nil
		case ok:
			known = append(known, s.Name)
		case s.Name == name:
			return nil, fmt.Errorf("sink %s is of type %s; name one of type %s", name, s.Type.Name, elasticsearch.Type.Name)
		}
	}
	return nil, fmt.Errorf("the configuration has no sink %s of type %s; known: %s", name, elasticsearch.Type.Name, cmp.Or(strings.Join(known, ", "), "none"))
}
