package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/source"
)

const screen = "\nsinks:\n  - {name: screen, type: stdout}\n"

// oneSource is the text of a file that holds one source.
func oneSource(name string) string {
	return "sources:\n  - name: " + name + "\n    type: planetscale\n    settings: {organization: o, service_token: t}\n"
}

// tree makes a directory of files. A text that begins with -> makes a link, one that
// ends in a slash a directory.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o700)
		target, link := strings.CutPrefix(text, "-> ")
		switch {
		case err != nil:
		case link:
			err = os.Symlink(target, path)
		case strings.HasSuffix(name, "/"):
			err = os.Mkdir(path, 0o700)
		default:
			err = os.WriteFile(path, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// in parses a configuration as a file of a directory. Paths in its error are relative to
// that.
func in(dir, text string) (*config.Config, error) {
	c, err := config.Parse(filepath.Join(dir, "sluice.yaml"), []byte(text), kinds, env(map[string]string{"DIR": "conf.d"}))
	if err != nil {
		err = errors.New(strings.ReplaceAll(strings.ReplaceAll(err.Error(), dir+"/", ""), dir, "DIR"))
	}
	return c, err
}

func TestSourcesInFiles(t *testing.T) {
	mixed := map[string]string{
		"conf.d/b.yaml": oneSource("beta"), "conf.d/a.yml": oneSource("zeta") + "  - {name: acme, type: planetscale, settings: {organization: o, service_token: t}}\n",
		"conf.d/.c.yaml": "hidden", "conf.d/.yaml": "hidden", "conf.d/d.yaml.bak": "of an editor", "conf.d/README": "text", "conf.d/e.json": "{}", "conf.d/below/f.yaml": oneSource("below"),
	}
	volume := map[string]string{ // as Kubernetes mounts it
		"conf.d/..2026/a.yaml": oneSource("acme"), "conf.d/..2026/b.yaml": oneSource("beta"), "conf.d/..data": "-> ..2026",
		"conf.d/a.yaml": "-> ..data/a.yaml", "conf.d/b.yaml": "-> ..data/b.yaml",
	}
	for _, tt := range []struct {
		words, sources string
		files          map[string]string
		want           string
	}{
		{"a directory", "conf.d", mixed, "zeta acme beta"},
		{"a directory with a slash", "./conf.d/", mixed, "zeta acme beta"},
		{"a directory in a variable", "${DIR}", mixed, "zeta acme beta"},
		{"a directory whose name looks like a pattern", "'[a'", map[string]string{"[a/a.yaml": oneSource("acme")}, "acme"},
		{"a link to a directory", "here", map[string]string{"conf.d/a.yaml": oneSource("acme"), "here": "-> conf.d"}, "acme"},
		{"a pattern", "conf.d/*.yaml", mixed, "beta"},
		{"a pattern in quotes", `"*.d/../conf.d/[ab].y*ml"`, mixed, "zeta acme beta"},
		{"a pattern beside the configuration", "source-?.conf", map[string]string{"source-1.conf": oneSource("acme"), "source-10.conf": "no"}, "acme"},
		{"one file", "conf.d/b.yaml", mixed, "beta"},
		{"a volume of Kubernetes", "conf.d", volume, "acme beta"},
		{"all of a volume of Kubernetes", `"conf.d/*"`, volume, "acme beta"},
		{"two names of a file", "conf.d", map[string]string{"conf.d/a.yaml": oneSource("acme"), "conf.d/b.yaml": "-> a.yaml"}, "acme"},
	} {
		t.Run(tt.words, func(t *testing.T) {
			c, err := in(tree(t, tt.files), "sources: "+tt.sources+screen)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range c.Sources {
				got = append(got, s.Name)
			}
			want(t, tt.want, strings.Join(got, " "))
			want(t, got, c.Sinks[0].Sources)
		})
	}
}

func TestWhichFilesAreReadAndSkipped(t *testing.T) {
	dir := tree(t, map[string]string{
		"conf.d/b.yaml": oneSource("beta"), "conf.d/a.yml": oneSource("acme"), "conf.d/c.yaml": "-> b.yaml",
		"conf.d/.d.yaml": "hidden", "conf.d/e.yaml.off": "off", "conf.d/below/f.yaml": "below",
	})
	at := func(names ...string) (paths []string) {
		for _, name := range names {
			paths = append(paths, filepath.Join(dir, "conf.d", name))
		}
		return paths
	}
	for sources, files := range map[string]*config.SourceFiles{
		"conf.d":        {Read: at("a.yml", "b.yaml"), Skipped: at("below", "e.yaml.off")},
		"conf.d/*.yaml": {Read: at("b.yaml")},
		strings.TrimPrefix(oneSource("acme"), "sources:"): nil,
	} {
		c, err := in(dir, "sources: "+sources+screen)
		if err != nil {
			t.Fatal(err)
		}
		want(t, files, c.SourceFiles)
	}
}

// TestAFileIsReadAsTheListIs compares a list with the same list in files.
func TestAFileIsReadAsTheListIs(t *testing.T) {
	data, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(t.TempDir(), "a.key")
	keyIn(t, key)
	keyIn(t, key+"2")
	vars := map[string]string{"TOKEN": "t", "MAX": "7", "KEY": key, "FORMER": key + "2"}
	list, rest, _ := strings.Cut(string(data), "\nstate:")
	first, second, _ := strings.Cut(list, "\n  - name: beta")
	dir := tree(t, map[string]string{"1.yaml": first, "2.yaml": "sources:\n  - name: beta" + second})
	got := parse(t, "sources: "+dir+"\nstate:"+rest, vars)
	want(t, &config.SourceFiles{Read: []string{filepath.Join(dir, "1.yaml"), filepath.Join(dir, "2.yaml")}}, got.SourceFiles)
	got.SourceFiles = nil
	want(t, parse(t, string(data), vars), got)
}

func TestAnAbsolutePath(t *testing.T) {
	dir := tree(t, map[string]string{"a.yaml": oneSource("acme")})
	for _, path := range []string{dir, dir + "/*.yaml", dir + "/a.yaml"} {
		want(t, "acme", parse(t, "sources: "+path+screen, nil).Sources[0].Name)
	}
}

// TestWhatNoFileCanBe names paths that golden files cannot hold.
func TestWhatNoFileCanBe(t *testing.T) {
	const end = "write the path of a directory, or a pattern such as conf.d/*.yaml; a relative path starts in DIR"
	good := map[string]string{"conf.d/a.yaml": oneSource("acme"), "empty/": ""}
	odd := map[string]string{"conf.d/a.yaml": oneSource("acme"), "conf.d/b.yaml": "-> nowhere", "conf.d/c.yaml/": "", "conf.d/d.yaml": "-> d.yaml"}
	for _, tt := range []struct {
		words, sources string
		files          map[string]string
		want           string
	}{
		{"an empty directory", "empty", good, "sluice.yaml:1:10: sources: the directory is empty, hidden files aside; add a file that ends in .yaml or .yml"},
		{"a directory that is not there", "none", good, "sluice.yaml:1:10: sources: there is no file or directory of this name; " + end},
		{"one below it", "none/below", good, "sluice.yaml:1:10: sources: there is no file or directory of this name; " + end},
		{"a pattern without a match", "conf.d/*.yml", good, "sluice.yaml:1:10: sources: no file matches the pattern; " + end},
		{"a pattern that is not closed", "'conf.d/[a'", good, "sluice.yaml:1:10: sources: is not a pattern; close each [ with ]"},
		{"a pattern of directories", "conf.?/a.yaml", good, "sluice.yaml:1:10: sources: has a wildcard before the last slash, which is not supported; " + end},
		{"empty text", "''", good, "sluice.yaml:1:10: sources: is empty; " + end},
		{"a variable without a value", "${NONE}", good, "sluice.yaml:1:10: sources: ${NONE} is not set; set the environment variable NONE or write ${NONE:-default}"},
		{"true", "true", good, "sluice.yaml:1:10: sources: is true or false; write text, in quotes if you mean the word"},
		{"the configuration itself", "sluice.yaml", map[string]string{"sluice.yaml": "sources: sluice.yaml" + screen},
			"sluice.yaml:1:10: sources: is a single value; write a list: [ … ], or one \"- …\" a line\n" +
				"sluice.yaml:2:1: unknown key; known: sources"},
		{"links that lead nowhere, and a directory", "conf.d", odd,
			"conf.d/b.yaml:1:1: no such file or directory; make the file readable, or move it away\n" +
				"conf.d/c.yaml:1:1: is a directory, and Sluice does not search it; name the files in it, or move it away\n" +
				"conf.d/d.yaml:1:1: too many levels of symbolic links; make the file readable, or move it away"},
	} {
		t.Run(tt.words, func(t *testing.T) {
			// What a sink names may be in a file that cannot be read.
			_, err := in(tree(t, tt.files), "sources: "+tt.sources+"\nsinks:\n  - {name: screen, type: stdout, sources: [acme, other]}\n")
			want(t, tt.want, fmt.Sprint(err))
		})
	}
}

// TestWhereARelativePathStarts names the configuration as a user does who works in its
// directory.
func TestWhereARelativePathStarts(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	_, err := config.Parse("sluice.yaml", []byte("sources: none"+screen), kinds, env(nil))
	if end := "; a relative path starts in " + dir; err == nil || !strings.HasSuffix(err.Error(), end) {
		t.Errorf("got %v, want an error that ends with %q", err, end)
	}
}

// TestAnInvalidTypeInAFile checks that the problem is at the line that names the type.
func TestAnInvalidTypeInAFile(t *testing.T) {
	path := filepath.Join(tree(t, map[string]string{"a.yaml": strings.Replace(oneSource("acme"), "planetscale", "acme", 1)}), "a.yaml")
	got := problems(acme(func(k *source.Type) { k.Catalogue = []byte(`{"action":{}}`) }), "sources: "+path+screen)
	if len(got) != 1 || !strings.HasPrefix(got[0], path+":3:5: sources[0].type: the catalogue of this type is invalid") {
		t.Errorf("got %q, want one problem with the type", got)
	}
}

func TestAFileThatBlocks(t *testing.T) {
	dir := tree(t, map[string]string{"conf.d/a.yaml": oneSource("acme")})
	if err := syscall.Mkfifo(filepath.Join(dir, "conf.d/b.yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := in(dir, "sources: conf.d"+screen)
	want(t, "conf.d/b.yaml:1:1: is not a regular file; move it away", fmt.Sprint(err))
}

func TestTooManyFiles(t *testing.T) {
	dir := tree(t, map[string]string{"conf.d/0.yaml": oneSource("acme"), "large/0.yaml": oneSource("acme") + "#" + strings.Repeat("-", 260_000)})
	link := func(sub string, from, to int) {
		for i := from; i < to; i++ {
			if err := os.Link(filepath.Join(dir, sub, "0.yaml"), filepath.Join(dir, sub, fmt.Sprint(i)+".yaml")); err != nil {
				t.Fatal(err)
			}
		}
	}
	link("conf.d", 1, 10_001)
	_, err := in(dir, "sources: conf.d"+screen)
	want(t, "sluice.yaml:1:10: sources: names more than 10000 files; are all of them configurations?", fmt.Sprint(err))

	link("large", 1, 64)
	const exceeded = "sluice.yaml:1:10: sources: the files exceed 16777216 bytes together; are all of them configurations?"
	if _, err := in(dir, "sources: large"+screen); strings.Contains(fmt.Sprint(err), exceeded) {
		t.Errorf("got %v for 64 files, want no problem of size", err)
	}
	link("large", 64, 65)
	if _, err = in(dir, "sources: large"+screen); !strings.Contains(fmt.Sprint(err), exceeded) {
		t.Errorf("got %v, want %s", err, exceeded)
	}
}

// A health check works without the files.
func TestLoadAdminReadsNoOtherFile(t *testing.T) {
	dir := tree(t, map[string]string{"sluice.yaml": "sources: none/*\nadmin: {listen: 127.0.0.1:9999}" + screen})
	admin, err := config.LoadAdmin(filepath.Join(dir, "sluice.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	want(t, "127.0.0.1:9999", admin.Listen)
}

// TestNoMessageShowsWhatAFileOfSourcesHolds makes each mistake in such a file, and in
// the line that names it.
func TestNoMessageShowsWhatAFileOfSourcesHolds(t *testing.T) {
	path, told := filepath.Join(t.TempDir(), "a.yaml"), 0
	eachSlip(t, "testdata/sources/1-acme.yaml", func(broken string) {
		if err := os.WriteFile(path, []byte(broken), 0o600); err != nil {
			t.Fatal(err)
		}
		told += keepsTheSecret(t, "sources: "+path+screen)
	})
	for _, slip := range slips {
		told += keepsTheSecret(t, strings.Replace(slip, "KEY", "sources", 1)+screen)
	}
	if told < 100 {
		t.Errorf("got %d broken files, want 100 or more", told)
	}
}

// FuzzSources reads a file beside a sound one. Each problem is about a line that is
// there.
func FuzzSources(f *testing.F) {
	paths, err := filepath.Glob("testdata/sources*/*.yaml")
	if err != nil || len(paths) == 0 {
		f.Fatalf("got files %v, %v, want some", paths, err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := tree(t, map[string]string{"a.yaml": oneSource("first"), "b.yaml": string(data)})
		c, err := config.Parse("f", []byte("sources: "+dir+screen), kinds, badEnv)
		var problems config.Errors
		if err == nil {
			if len(c.Lanes()) < 2 {
				t.Error("got no lane of the file, and no problem")
			}
			return
		}
		if !errors.As(err, &problems) || c != nil {
			t.Fatalf("got %v and %v, want no configuration and problems", c, err)
		}
		lines := strings.Count(string(data), "\n") + strings.Count(string(data), "\r") + 1
		for _, p := range problems {
			if p.File != filepath.Join(dir, "b.yaml") || p.Line < 1 || p.Column < 1 || p.Line > lines {
				t.Errorf("a problem that is not in the %d lines of the file: %v", lines, p)
			}
		}
	})
}

func BenchmarkThousandFiles(b *testing.B) {
	files := map[string]string{}
	for i := range 1_000 {
		files[fmt.Sprintf("conf.d/%04d.yaml", i)] = oneSource(fmt.Sprintf("n%04d", i))
	}
	dir := tree(b, files)
	for b.Loop() {
		c, err := in(dir, "sources: conf.d"+screen)
		if err != nil || len(c.Sources) != 1_000 {
			b.Fatal(err)
		}
	}
}
