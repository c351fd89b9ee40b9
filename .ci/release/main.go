// Command release holds .goreleaser.yaml against the configuration of goreleaser: a key
// that goreleaser does not know is an error, as in goreleaser check.
package main

import (
	"fmt"
	"os"

	"github.com/goreleaser/goreleaser/v2/pkg/config"
)

func main() {
	if _, err := config.Load(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "release: error:", err)
		os.Exit(1)
	}
}
