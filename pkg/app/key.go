package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/sink"
)

func (c *command) key() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Make the key that signs what lanes delivered",
		Args:  usage(cobra.NoArgs),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.keyNew())
	return cmd
}

func (c *command) keyNew() *cobra.Command {
	return &cobra.Command{
		Use:   "new NAME",
		Short: "Make a key: NAME.key signs, NAME.pub verifies",
		Long: `Make an Ed25519 key. NAME.key is the private key, which only its owner can
read: evidence.key_file in the configuration names it. NAME.pub is the public
key, one line, for whoever runs sluice verify. NAME may have a directory before
it. Without one the files are in the present directory.

It never overwrites a file. All replicas need the same key. Whoever has the
private key can sign whatever he likes, so keep it as you keep other secrets.`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			if !goodKeyName.MatchString(filepath.Base(names[0])) {
				return usageError{fmt.Errorf("%q is no name for a key: write letters, digits and - _ . such as acme", names[0]), cmd.CommandPath()}
			}
			return c.newKey(names[0])
		},
	}
}

// goodKeyName is a name that signed notes can have, and that no shell takes for a flag.
var goodKeyName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func (c *command) newKey(path string) error {
	private, public, err := evidence.NewKey(filepath.Base(path))
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	secret, open := path+".key", path+".pub"
	if err := writeNew(secret, private, 0o600); err != nil {
		return err
	}
	if err := writeNew(open, public, 0o644); err != nil {
		return errors.Join(err, os.Remove(secret)) // Nobody uses it yet.
	}
	_, err = fmt.Fprintf(c.stdout, `%s: the private key. Keep a copy where you keep secrets.
%s: the public key. Give it to whoever verifies:
  %s
To use it, write this in the configuration, and reload or restart sluice:
  evidence:
    key_file: %s
To verify an export of the SIEM later:
  sluice verify --key %s EXPORT
`, secret, open, public, strings.ReplaceAll(strconv.Quote(absolute(secret)), "$", "$$"), quoted(open))
	return err
}

// writeNew writes a line to a file that is not there yet.
func writeNew(path, line string, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return sink.Hint(fmt.Errorf("%s is there already", path), "sluice key new overwrites nothing: choose another name, or use the key that is there")
	}
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	_, err = f.WriteString(line + "\n")
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("make a key: %w", errors.Join(err, os.Remove(path)))
	}
	return nil
}
