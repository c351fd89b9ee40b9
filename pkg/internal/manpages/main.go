// Command manpages writes the man pages of sluice, one for each command and one for the
// configuration. Packages of a
// release have them; the binary of sluice does not have the libraries that write them.
//
//	go run ./pkg/internal/manpages DIR
//
// SOURCE_DATE_EPOCH sets the date of the pages, so that a build can be repeated.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

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
	date, err := now()
	if err != nil {
		return err
	}
	root, settings := app.Documentation()
	root.DisableAutoGenTag = true
	root.InitDefaultCompletionCmd()
	source := "sluice " + root.Version
	if err := writeSettings(dir, source, date, settings); err != nil {
		return err
	}
	if err := doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: source, Manual: "Sluice", Date: &date}, dir); err != nil {
		return err
	}
	return plainFlags(dir)
}

// noValue is what the generator writes behind a flag that takes no value, such as
// [=false].
var noValue = regexp.MustCompile(`\[=(false|true)\]`)

// plainFlags takes the values of flags out of pages that take none.
func plainFlags(dir string) error {
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil {
		return err
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		if err := os.WriteFile(page, noValue.ReplaceAll(text, nil), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// now is the date of the pages.
func now() (time.Time, error) {
	epoch := os.Getenv("SOURCE_DATE_EPOCH")
	if epoch == "" {
		return time.Now().UTC(), nil
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH is %q; write seconds since 1970", epoch)
	}
	return time.Unix(seconds, 0).UTC(), nil
}
