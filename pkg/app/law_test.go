package app_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/sluice-siem/sluice/"

// listed is what go list tells of a package.
type listed struct {
	ImportPath, Dir, Doc                        string
	GoFiles, Imports, TestImports, XTestImports []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-tags", "integration", "-json", module+"...")
	out, err := cmd.Output()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		t.Fatalf("go list: %v: %s", err, exit.Stderr)
	}
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		switch err := d.Decode(&p); {
		case err == io.EOF:
			return all
		case err != nil:
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// ours are those of the imports that belong to this module, without its path.
func ours(imports []string) []string {
	var names []string
	for _, i := range imports {
		if name, ok := strings.CutPrefix(i, module); ok {
			names = append(names, name)
		}
	}
	return names
}

// TestImportLaw holds the import graph against the law: contracts know nothing,
// back ends know their contract, the pipeline knows contracts, and app knows all.
func TestImportLaw(t *testing.T) {
	all := packages(t)
	if len(all) < 20 {
		t.Fatalf("go list found %d packages; there are more", len(all))
	}
	for _, p := range all {
		name := strings.TrimPrefix(p.ImportPath, module)
		for _, imported := range ours(p.Imports) {
			if !lawful(name, imported) {
				t.Errorf("%s imports %s, which the import law in docs/architecture.md does not allow", name, imported)
			}
		}
	}
}

// lawful says whether a package may import another, both of this module.
func lawful(name, imported string) bool {
	if allowed, ok := permitted[name]; ok {
		return slices.Contains(allowed, imported)
	}
	switch {
	case name == "pkg/app":
		return true
	case imported == path.Dir(name): // a back end and its contract
		return true
	case name == path.Dir(imported): // a back end and a part of it
		return true
	case strings.HasPrefix(imported, path.Dir(name)+"/internal/"): // what the back ends of a contract share
		return true
	case strings.HasPrefix(name, imported+"/internal/"): // and that contract
		return true
	case strings.HasPrefix(imported, "pkg/internal/"):
		return strings.HasPrefix(name, "pkg/")
	}
	return slices.Contains([]string{"pkg/source", "pkg/sink", "pkg/setting"}, imported)
}

// permitted is what those may import that are not a back end.
var permitted = map[string][]string{
	"cmd/sluice":    {"pkg/app"},
	"pkg/source":    nil,
	"pkg/sink":      nil,
	"pkg/setting":   nil,
	"pkg/transform": {"pkg/source", "pkg/sink", "pkg/internal/rawjson"},
	"pkg/pipeline":  {"pkg/source", "pkg/sink", "pkg/transform"},
	"pkg/config":    {"pkg/source", "pkg/sink", "pkg/transform", "pkg/transform/prepare", "pkg/setting"},
	"pkg/admin":     {"pkg/source", "pkg/pipeline"},
	// What happens to an event before it is encoded is put together of its parts.
	"pkg/transform/prepare": {"pkg/source", "pkg/transform", "pkg/transform/where", "pkg/transform/enrich", "pkg/transform/redact"},
	// A fixed point to measure against, for benchmarks alone.
	"pkg/internal/baseline": {"pkg/source", "pkg/transform"},
}

// TestNothingDependsOnApp looks at tests, too: what app wires must not know it.
func TestNothingDependsOnApp(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		if name == "cmd/sluice" || name == "pkg/app" {
			continue
		}
		for _, imported := range ours(slices.Concat(p.Imports, p.TestImports, p.XTestImports)) {
			if imported == "pkg/app" || strings.HasPrefix(imported, "cmd/") {
				t.Errorf("%s or its tests import %s", name, imported)
			}
		}
	}
}

// TestForbiddenModules names what this project does without, and why.
func TestForbiddenModules(t *testing.T) {
	forbidden := map[string]string{
		"github.com/spf13/viper":      "configuration is strict and names the line of each problem",
		"gopkg.in/yaml.v3":            "it stops at the first problem",
		"gopkg.in/yaml.v2":            "it stops at the first problem",
		"github.com/stretchr/testify": "got and want are compared in plain words and with go-cmp",
		"go.uber.org/mock":            "fakes are written by hand",
		"github.com/golang/mock":      "fakes are written by hand",
		"github.com/vektra/mockery":   "fakes are written by hand",
	}
	for _, p := range packages(t) {
		for _, imported := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			for module, reason := range forbidden {
				if imported == module || strings.HasPrefix(imported, module+"/") {
					t.Errorf("%s imports %s: %s", p.ImportPath, imported, reason)
				}
			}
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.GoFiles) > 0 && p.Doc == "" {
			t.Errorf("%s has no package documentation", p.ImportPath)
		}
	}
}

// TestNoRegistries looks for what happens by importing alone: init functions,
// and imports without a name.
func TestNoRegistries(t *testing.T) {
	for _, p := range packages(t) {
		for _, file := range p.GoFiles {
			parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range parsed.Imports {
				if i.Name != nil && i.Name.Name == "_" && i.Path.Value != `"embed"` {
					t.Errorf("%s/%s imports %s for its side effects", p.ImportPath, file, i.Path.Value)
				}
			}
			for _, d := range parsed.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
					t.Errorf("%s/%s has an init function", p.ImportPath, file)
				}
			}
		}
	}
}
