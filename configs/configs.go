// Package configs holds the annotated examples, which sluice example prints, and what sluice
// assets installs.
package configs

import "embed"

// Files are the examples of configurations.
//
//go:embed *.yaml
var Files embed.FS

// Assets are the index templates and ingest pipelines, in a directory for each product.
//
//go:embed elastic/*.json opensearch/*.json
var Assets embed.FS
