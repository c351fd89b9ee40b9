// Package configs holds the annotated examples, which sluice example prints.
package configs

import "embed"

// Files are the examples of configurations.
//
//go:embed *.yaml
var Files embed.FS
