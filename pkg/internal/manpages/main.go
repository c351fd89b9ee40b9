// Command manpages writes the man pages of sluice, one for each command. Packages of a
// release have them; the binary of sluice does not have the libraries that write them.
//
//	go run ./pkg/internal/manpages DIR
//
// SOURCE_DATE_EPOCH sets the date of the pages, so that a build can be repeated.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra/doc"

	"github.com/sluice-siem/sluice/pkg/app"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "manpages: error: name the directory to write to: manpages DIR")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "manpages: error:", err)
		os.Exit(1)
	}
}

// write writes the pages to a directory, which it creates if it is missing.
func write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root := app.Command()
	root.DisableAutoGenTag = true
	root.InitDefaultCompletionCmd()
	return doc.GenManTree(root, &doc.GenManHeader{
		Section: "1",
		Source:  "sluice " + root.Version,
		Manual:  "Sluice",
	}, dir)
}
