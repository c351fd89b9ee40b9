package ownlog_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/source/ownlog"
)

// appendsIn is the variable that makes the test binary a writer of the log in a directory.
const appendsIn = "OWNLOG_TEST_APPENDS_IN"

func TestMain(m *testing.M) {
	if dir := os.Getenv(appendsIn); dir != "" {
		appendForever(dir)
	}
	os.Exit(m.Run())
}

// appendForever prints the id of each event that was acknowledged.
func appendForever(dir string) {
	files, err := ownlog.OpenFiles(dir)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	w := ownlog.Writer{Store: files, Instance: ownlog.Instance{Host: "test", PID: os.Getpid()}}
	for {
		e := ownlog.New(ownlog.Heartbeat, ownlog.Party{Type: "process", Name: "sluice"}, strings.Repeat("x", rand.IntN(3000)))
		if err := w.Append(context.Background(), e); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(e.ID)
	}
}

// TestKill kills writers with SIGKILL, two at a time, at any moment. Each event that was
// acknowledged is there afterwards, once.
func TestKill(t *testing.T) {
	kills := 50
	if testing.Short() {
		kills = 6
	}
	dir := filepath.Join(t.TempDir(), "own")
	acked := make(chan string, 1<<20)
	for range kills / 2 {
		a, b := writer(t, dir, acked), writer(t, dir, acked)
		a.killAfter(t, 1+rand.IntN(12))
		b.killAfter(t, 1+rand.IntN(12))
	}
	close(acked)
	there := map[string]int{}
	for _, e := range all(t, dir) {
		there[e]++
	}
	count := 0
	for id := range acked {
		count++
		if there[id] != 1 {
			t.Errorf("event %s was acknowledged and is there %d times", id, there[id])
		}
	}
	t.Logf("%d events were acknowledged before %d kills, %d are there", count, kills/2*2, len(there))
}

// all returns the ids of the events in a log.
func all(t *testing.T, dir string) (ids []string) {
	t.Helper()
	files, err := ownlog.OpenFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	for from := int64(0); ; {
		p, err := files.Read(t.Context(), from, 1<<20)
		if err != nil || p.Gone {
			t.Fatalf("reading from %d: gone %v, error %v", from, p.Gone, err)
		}
		if len(p.Lines) == 0 {
			return ids
		}
		for _, l := range p.Lines {
			events, err := ownlog.Parse(l.Text, "")
			if err != nil || len(events) != 1 || events[0].Problem != "" {
				t.Fatalf("line %d: %v, %+v", l.Number, err, events)
			}
			ids = append(ids, events[0].ID)
			from = l.Number + 1
		}
	}
}

type child struct {
	cmd   *exec.Cmd
	acked chan struct{} // a value for each event; closed at the end
}

func writer(t *testing.T, dir string, acked chan<- string) *child {
	t.Helper()
	c := &child{exec.Command(os.Args[0]), make(chan struct{}, 1<<20)}
	c.cmd.Env = append(os.Environ(), appendsIn+"="+dir)
	out, err := c.cmd.StdoutPipe()
	if err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.acked)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			id := lines.Text()
			if !strings.HasPrefix(id, "own:") {
				t.Errorf("the writer says: %s", id)
				return
			}
			acked <- id
			c.acked <- struct{}{}
		}
	}()
	return c
}

// killAfter kills the child some microseconds after its nth event.
func (c *child) killAfter(t *testing.T, n int) {
	t.Helper()
	for range n {
		if _, ok := <-c.acked; !ok {
			t.Error("the writer ended by itself")
			break
		}
	}
	time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
	if err := c.cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	for range c.acked { // until all that it printed was read
	}
	_ = c.cmd.Wait() // It was killed.
}
