package app_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/sluice-siem/sluice/"

// listed is the output of go list for a package.
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

// ours returns the imports of this module, without its path.
func ours(imports []string) []string {
	var names []string
	for _, i := range imports {
		if name, ok := strings.CutPrefix(i, module); ok {
			names = append(names, name)
		}
	}
	return names
}

// TestImportLaw checks the import graph against the law. Contracts know only the
// questions that errors answer. Back ends know their contract, the pipeline knows
// contracts, and app knows everything.
func TestImportLaw(t *testing.T) {
	all := packages(t)
	if len(all) < 20 {
		t.Fatalf("go list found only %d packages", len(all))
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

// lawful reports whether a package may import another. Both are of this module.
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
	case imported == "pkg/source/cursorlog": // how a source reads a log of that kind
		return path.Dir(name) == "pkg/source"
	case imported == "configs": // what a sink installs at its destination
		return path.Dir(name) == "pkg/sink"
	case strings.HasPrefix(imported, "pkg/internal/"):
		return strings.HasPrefix(name, "pkg/")
	}
	return slices.Contains([]string{"pkg/failure", "pkg/source", "pkg/sink", "pkg/setting"}, imported)
}

// permitted lists the allowed imports of packages that are not back ends.
var permitted = map[string][]string{
	"cmd/sluice":  {"pkg/app"},
	"pkg/failure": nil,
	"pkg/source":  {"pkg/failure"}, // It defines what a caller may ask of an error.
	"pkg/sink":    {"pkg/failure"},
	"pkg/setting": {"pkg/internal/regular"},
	// Logs of this kind are read in the same way, whoever the vendor is.
	"pkg/source/cursorlog": {"pkg/source", "pkg/setting", "pkg/internal/httpclient", "pkg/internal/rawjson"},

	"pkg/transform": {"pkg/source", "pkg/sink", "pkg/internal/rawjson"},
	// A leaf is over what records state.
	"pkg/evidence":       {"pkg/source", "pkg/sink", "pkg/transform", "pkg/internal/regular", "pkg/evidence/audit"},
	"pkg/evidence/audit": {"pkg/source"},
	// It maps the original of a record again.
	"pkg/evidence/verify": {"pkg/evidence", "pkg/internal/rawjson", "pkg/internal/timestamp", "pkg/source", "pkg/transform"},
	"pkg/pipeline":        {"pkg/failure", "pkg/source", "pkg/sink", "pkg/transform", "pkg/evidence", "pkg/evidence/audit", "pkg/internal/cadence", "pkg/internal/pool"},
	"pkg/config": {
		"pkg/evidence", "pkg/source", "pkg/sink", "pkg/transform", "pkg/transform/prepare", "pkg/setting",
		"pkg/internal/glyph", "pkg/internal/hostport", "pkg/internal/nearest", "pkg/internal/regular",
		"pkg/internal/statedir", // It explains why a file may not be read.
	},
	"pkg/admin": {"pkg/source", "pkg/pipeline", "pkg/setting", "pkg/admin/console", "pkg/internal/cadence"},
	// It shows events in the words of the catalogue, and what each sink gets.
	"pkg/admin/console": {"pkg/source", "pkg/pipeline", "pkg/transform", "pkg/internal/glyph"},
	// It says in the own log what it sees of lanes.
	"pkg/lookout": {"pkg/failure", "pkg/internal/cadence", "pkg/source", "pkg/source/ownlog", "pkg/sink", "pkg/pipeline"},
	// The preparation of an event consists of these parts.
	"pkg/transform/prepare": {"pkg/setting", "pkg/source", "pkg/transform", "pkg/transform/where", "pkg/transform/enrich", "pkg/transform/redact"},
	// The script that benchmarks compare Sluice with.
	"pkg/internal/baseline": {"pkg/source", "pkg/source/planetscale", "pkg/transform"},
	// A command that measures many lanes needs counterparts for them.
	"pkg/internal/scale": {"pkg/admin", "pkg/internal/freeport", "pkg/source/planetscale/simulator"},
	// Man pages are made of the command line and of the settings.
	"pkg/internal/manpages": {"pkg/app", "pkg/config"},
	// The events that tests of the formats share.
	"pkg/transform/internal/corpus": {"pkg/sink", "pkg/source", "pkg/source/ownlog", "pkg/source/planetscale", "pkg/source/planetscale/simulator", "pkg/transform"},
}

// vendors are the products whose names the code of one package may hold, with its parts.
var vendors = map[string]string{
	"planetscale": "pkg/source/planetscale",
	"splunk":      "pkg/sink/splunkhec",
	"datadog":     "pkg/sink/httpsink",
	"pagerduty":   "pkg/sink/httpsink",
}

// mayNameAVendor are further packages that may: they list the types, or only tests use
// them. Of app only some files may, which list the types or show an invented log.
var mayNameAVendor = map[string][]string{
	"pkg/app":                       {"app.go", "demo.go", "simulate.go"},
	"pkg/internal/baseline":         nil,
	"pkg/internal/scale":            nil,
	"pkg/transform/internal/corpus": nil,
}

// TestOnlyOnePackageKnowsAVendor looks at the code of all other packages, but not at
// comments, which may have examples.
func TestOnlyOnePackageKnowsAVendor(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		files, free := mayNameAVendor[name]
		if free && files == nil {
			continue
		}
		for _, file := range p.GoFiles {
			if slices.Contains(files, file) {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for vendor, home := range vendors {
				if named := naming(parsed, vendor); len(named) > 0 && !strings.HasPrefix(name+"/", home+"/") {
					t.Errorf("%s/%s has %s, which only %s may know", p.ImportPath, file, strings.Join(named, ", "), home)
				}
			}
		}
	}
}

// naming returns the identifiers and literals of a file that hold a vendor's name.
func naming(file *ast.File, vendor string) []string {
	var named []string
	ast.Inspect(file, func(n ast.Node) bool {
		text := ""
		switch n := n.(type) {
		case *ast.Ident:
			text = n.Name
		case *ast.BasicLit:
			text = n.Value
		}
		if strings.Contains(strings.ToLower(text), vendor) {
			named = append(named, text)
		}
		return true
	})
	return named
}

// TestNothingDependsOnApp checks tests, too: what app wires must not know app.
func TestNothingDependsOnApp(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		if name == "cmd/sluice" || name == "pkg/app" || name == "pkg/internal/manpages" {
			continue
		}
		for _, imported := range ours(slices.Concat(p.Imports, p.TestImports, p.XTestImports)) {
			if imported == "pkg/app" || strings.HasPrefix(imported, "cmd/") {
				t.Errorf("%s or its tests import %s", name, imported)
			}
		}
	}
}

// TestForbiddenModules lists the modules that this project does not use, and why.
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

// TestErrorsAreAskedInOnePlace requires that only package failure inspects errors. An
// interface with its methods elsewhere would be a second way, and an error whose method
// has another name would be missed.
func TestErrorsAreAskedInOnePlace(t *testing.T) {
	for _, p := range packages(t) {
		if strings.TrimPrefix(p.ImportPath, module) == "pkg/failure" {
			continue
		}
		for _, file := range p.GoFiles {
			parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.InterfaceType:
					for _, m := range n.Methods.List {
						if len(m.Names) == 1 && slices.Contains([]string{"ErrorHint", "ErrorClass", "ErrorRetryAfter", "ErrorPermanent"}, m.Names[0].Name) {
							t.Errorf("%s/%s asks for %s itself; package failure does", p.ImportPath, file, m.Names[0].Name)
						}
					}
				case *ast.FuncDecl:
					if n.Recv != nil && slices.Contains([]string{"Hint", "RetryAfter"}, n.Name.Name) {
						t.Errorf("%s/%s has a method %s; package failure asks for Error%s", p.ImportPath, file, n.Name.Name, n.Name.Name)
					}
				}
				return true
			})
		}
	}
}

// TestNoRegistries refuses imports that have an effect by themselves: init functions, and
// imports without a name. It allows two of the standard library: one embeds files, one
// embeds the time zones.
func TestNoRegistries(t *testing.T) {
	for _, p := range packages(t) {
		for _, file := range p.GoFiles {
			parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range parsed.Imports {
				if i.Name != nil && i.Name.Name == "_" && !slices.Contains([]string{`"embed"`, `"time/tzdata"`}, i.Path.Value) {
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

// TestFilesAndPackagesStaySmall limits a file to 350 lines. A package of more than a
// dozen files says in its doc how they are divided.
func TestFilesAndPackagesStaySmall(t *testing.T) {
	const lines, files = 350, 12
	for _, p := range packages(t) {
		doc := ""
		for _, name := range p.GoFiles {
			text, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(text), "\n"); n > lines {
				t.Errorf("%s/%s has %d lines, want at most %d", p.ImportPath, name, n, lines)
			}
			head, _, _ := strings.Cut(string(text), "\npackage ")
			doc += head
		}
		if len(p.GoFiles) > files && !strings.Contains(doc, "// # Files\n") {
			t.Errorf("%s has %d files and no section # Files in its doc", p.ImportPath, len(p.GoFiles))
		}
	}
}

// The image is built from what is copied into it, so that must have every package of the
// command, and every file that one embeds.
func TestTheImageHasEveryPackage(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{.ImportPath}}", module+"cmd/sluice").Output()
	if err != nil {
		t.Fatal(err)
	}
	needed := map[string]bool{}
	for _, name := range ours(strings.Fields(string(out))) {
		top, _, _ := strings.Cut(name, "/")
		needed[top] = true
	}
	docker, sent := text(t, "../../Dockerfile"), strings.Fields(text(t, "../../.dockerignore"))
	for dir := range needed {
		if !strings.Contains(docker, "\nCOPY "+dir+" "+dir+"\n") || !slices.Contains(sent, "!"+dir) {
			t.Errorf("the command has packages in %s, but the Dockerfile does not copy it, or .dockerignore hides it", dir)
		}
	}
}

func text(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
