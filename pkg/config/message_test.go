package config_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sluice-siem/sluice/pkg/config"
)

func TestWithoutQuotations(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	path := &fs.PathError{Op: "open", Path: canary, Err: fs.ErrNotExist}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{errors.New("is empty"), "is empty"},
		{fmt.Errorf("%q is no size", canary+`"\`), "is no size"},
		{fmt.Errorf("unlike %q", canary), `unlike "…"`},
		{errors.New(`cut off: "` + canary), `cut off: "…"`},
		{errors.New(`cut off: "` + canary + `\`), `cut off: "…"`},
		{fmt.Errorf("reading: %w", path), "in " + here + ": file does not exist"},
		{fmt.Errorf("%q: %w", canary, &net.AddrError{Err: "no port", Addr: canary}), `"…": no port`},
	} {
		if got := config.WithoutQuotations(tt.err); got != tt.want {
			t.Errorf("%v: got %s, want %s", tt.err, got, tt.want)
		}
	}
}

// The hint is that of the state's files: who runs sluice, and whose the file is.
func TestASecretThatMayNotBeRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("uid %d, which runs sluice, owns %s with mode 0600", os.Geteuid(), file)
	if got := config.Permit(fmt.Errorf("reading secret: %w", &fs.PathError{Op: "open", Path: file, Err: syscall.EACCES})); !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := config.Permit(&fs.PathError{Op: "open", Path: file, Err: fs.ErrNotExist}); got != "" {
		t.Errorf("got %q for a file that is missing, want none", got)
	}
}

func TestAMessageThatIsNotKnownIsNotShown(t *testing.T) {
	if got, want := config.Explain("unheard of: "+canary, "", nil), "this cannot be parsed; check indentation and quotes"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// What is a problem of its own is not shown by another one.
func TestNoMessageShowsABadName(t *testing.T) {
	const source = "sources: [{name: acme, type: planetscale, settings: {organization: a, service_token: t}}]\n"
	for words, sinks := range map[string]string{
		"lanes that share a file": "[{name: TopSecret7, type: file, settings: {path: /a}}, {name: b, type: file, settings: {path: /a}}]",
		"a name twice":            "[{name: TopSecret7, type: stdout}, {name: TopSecret7, type: stdout, formt: x}]",
		"a key around another":    "[{name: a, type: kafka, settings: {topic: t, routes: {TopSecret7: {usernam: x, username: [y]}}}}]",
	} {
		t.Run(words, func(t *testing.T) {
			if keepsTheSecret(t, source+"sinks: "+sinks) == 0 {
				t.Error("got no problem, want one")
			}
		})
	}
}
