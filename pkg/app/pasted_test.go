package app

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/sluice-siem/sluice/pkg/internal/freeport"
	"github.com/sluice-siem/sluice/pkg/sink/splunkhec/hectest"
	"github.com/sluice-siem/sluice/pkg/sink/syslog/relp/relptest"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// standIns take the place of what documents name and a test cannot have: fixed ports,
// the directories of a system, the API and destinations. They are all that a test changes
// in a block before it pastes it.
var standIns = []struct {
	names []string
	start func(t *testing.T, dir string) string
}{
	{[]string{"127.0.0.1:8080"}, freePort},
	{[]string{adminAddress, "localhost:9876"}, freePort},
	{[]string{"/etc/sluice"}, placedIn("etc/sluice")},
	{[]string{"/var/lib/sluice"}, placedIn("var/lib/sluice")},
	{[]string{"https://api.planetscale.com"}, func(t *testing.T, _ string) string {
		return serving(t, simulator.New(simulator.Config{Events: 20, Tame: true}))
	}},
	{[]string{"https://splunk:8088"}, func(t *testing.T, _ string) string {
		return serving(t, hectest.NewServer(hectest.Config{Token: "splunk-token"}))
	}},
	{[]string{"relp://siem:2514"}, func(t *testing.T, _ string) string { return "relp://" + relptest.New(t).Listen() }},
	{[]string{"kafka:9092"}, func(t *testing.T, _ string) string {
		c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "planetscale.audit"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c.ListenAddrs()[0]
	}},
}

// adminAddress is the default of admin.listen.
const adminAddress = "127.0.0.1:9876"

func freePort(t *testing.T, _ string) string {
	port, err := freeport.Loopback()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", port)
}

func placedIn(name string) func(*testing.T, string) string {
	return func(t *testing.T, dir string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
}

func serving(t *testing.T, h http.Handler) string {
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

// TestCommandsInDocumentsWork pastes the blocks of each document into one shell, in their
// order, as a reader does. The shell begins in a directory like a clone in which ./sluice
// was built, with the files of testdata/pasted.
func TestCommandsInDocumentsWork(t *testing.T) {
	for name, doc := range documents(t) {
		typed := slices.DeleteFunc(fences(doc), func(f fence) bool { return f.language != "sh" || f.mark != "" })
		if len(typed) == 0 || testing.Short() && name != "README.md" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			var pairs []string
			for _, s := range standIns {
				with := s.start(t, dir)
				for _, name := range s.names {
					pairs = append(pairs, name, with)
				}
			}
			replacer := strings.NewReplacer(pairs...)
			likeAClone(t, dir, replacer)
			sh := newShell(t, dir, replacer)
			for _, f := range typed {
				sh.paste(t, f)
			}
			sh.end(t)
		})
	}
}

// likeAClone fills the directory with links to what a clone has, and with copies of what
// is in testdata/pasted: its commands come first in PATH.
func likeAClone(t *testing.T, dir string, replacer *strings.Replacer) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "sluice" && e.Name() != ".git" {
			err = errors.Join(err, os.Symlink(filepath.Join(root, e.Name()), filepath.Join(dir, e.Name())))
		}
	}
	const given = "testdata/pasted"
	err = errors.Join(err, filepath.WalkDir(given, func(path string, d fs.DirEntry, err error) error {
		to := filepath.Join(dir, strings.TrimPrefix(path, given))
		if err != nil || d.IsDir() {
			return errors.Join(err, os.MkdirAll(to, 0o700))
		}
		return os.WriteFile(to, []byte(replacer.Replace(read(t, path))), 0o700)
	}), os.Symlink("bin/sluice", filepath.Join(dir, "sluice")))
	if err != nil {
		t.Fatal(err)
	}
}

// shell is a shell into which a test pastes blocks. It ends at the first command that
// fails.
type shell struct {
	dir      string
	replacer *strings.Replacer
	cmd      *exec.Cmd
	in       io.WriteCloser
	done     *bufio.Reader // a line after each block
	pipe     *os.File      // that done reads
	alive    *os.File      // at its end when the shell and all that it started have ended
	output   string        // path of what it prints
}

func newShell(t *testing.T, dir string, replacer *strings.Replacer) *shell {
	t.Helper()
	sluice, err := exec.LookPath("sluice")
	if err != nil {
		t.Fatal(err)
	}
	s := &shell{dir: dir, replacer: replacer, output: filepath.Join(t.TempDir(), "output")}
	out, err := os.Create(s.output)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	done, doneIn, err1 := os.Pipe()
	alive, aliveIn, err2 := os.Pipe()
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	defer doneIn.Close()
	defer aliveIn.Close()
	s.done, s.pipe, s.alive = bufio.NewReader(done), done, alive
	s.cmd = exec.Command("sh", "-e")
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = dir, out, out
	s.cmd.ExtraFiles = []*os.File{doneIn, aliveIn}
	s.cmd.Env = append(os.Environ(), "SLUICE="+sluice, "ADMIN="+replacer.Replace(adminAddress), "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) // All may have ended.
		_, err := io.Copy(io.Discard, alive)
		if err := errors.Join(err, done.Close(), alive.Close()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// blockTimeout is much more than a block takes. One that does not end needs a mark, or
// an & at its end.
const blockTimeout = 8 * time.Minute

// paste runs a block to its end, and waits until what it started in the background
// answers: a reader goes on only then.
func (s *shell) paste(t *testing.T, f fence) {
	t.Helper()
	path := filepath.Join(filepath.Dir(s.output), fmt.Sprintf("line-%d.sh", f.line))
	if err := os.WriteFile(path, []byte(s.replacer.Replace(f.text)), 0o600); err != nil {
		t.Fatal(err)
	}
	// A block does not read what is pasted next.
	_, err := fmt.Fprintf(s.in, ". %s </dev/null 3>&-; echo >&3\n", path)
	if err = errors.Join(err, s.pipe.SetReadDeadline(time.Now().Add(blockTimeout))); err == nil {
		_, err = s.done.ReadString('\n')
	}
	if err == nil && strings.HasSuffix(f.text, " &\n") {
		err = backoff.Retry(func() error { return s.answers(f.text) }, backoff.NewExponentialBackOff(
			backoff.WithMaxInterval(100*time.Millisecond), backoff.WithMaxElapsedTime(time.Minute)))
	}
	if err != nil {
		t.Fatalf("the block at line %d failed (%v):\n%s\noutput so far:\n%s", f.line, err, f.text, read(t, s.output))
	}
}

// answers asks what the block started in the background.
func (s *shell) answers(text string) error {
	if strings.Contains(text, "sluice simulate") {
		conn, err := net.Dial("tcp", s.replacer.Replace("127.0.0.1:8080"))
		if err != nil {
			return err
		}
		return conn.Close()
	}
	answer, err := http.Get("http://" + s.replacer.Replace(adminAddress) + "/readyz")
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		err = errors.New(answer.Status)
	}
	return errors.Join(err, answer.Body.Close())
}

// end requires that the shell ends without an error.
func (s *shell) end(t *testing.T) {
	t.Helper()
	if err := errors.Join(s.in.Close(), s.cmd.Wait()); err != nil {
		t.Errorf("%v; output:\n%s", err, read(t, s.output))
	}
}
