package stdout_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/sinktest"
	"github.com/sluice-siem/sluice/pkg/sink/stdout"
)

// asSink in the environment makes this test binary run as a program that publishes
// to its own standard output.
const asSink = "SLUICE_TEST_PUBLISH"

func TestMain(m *testing.M) {
	if os.Getenv(asSink) != "" {
		os.Exit(publishToStdout())
	}
	os.Exit(m.Run())
}

// publishToStdout writes the result of its Publish to standard error.
func publishToStdout() int {
	snk, err := stdout.Type.Open(context.Background(), sink.Env{}, stdout.Type.Settings())
	if err == nil {
		err = snk.Publish(context.Background(), []sink.Record{{Body: []byte(`{"n":1}`)}})
	}
	fmt.Fprintf(os.Stderr, "%v; broken pipe: %v", err, errors.Is(err, syscall.EPIPE))
	return 0
}

func open(typ sink.Type) func(testing.TB) sink.Sink {
	return func(t testing.TB) sink.Sink {
		t.Helper()
		snk, err := typ.Open(t.Context(), sink.Env{Lane: "acme/screen"}, typ.Settings())
		if err != nil {
			t.Fatal(err)
		}
		return snk
	}
}

func lines(text string) [][]byte {
	var all [][]byte
	for line := range strings.Lines(text) {
		all = append(all, []byte(strings.TrimSuffix(line, "\n")))
	}
	return all
}

func batch(bodies ...string) []sink.Record {
	var b []sink.Record
	for _, body := range bodies {
		b = append(b, sink.Record{Body: []byte(body)})
	}
	return b
}

func TestContract(t *testing.T) {
	sinktest.Run(t, func(testing.TB) sinktest.Harness {
		w := newWriter()
		typ := stdout.To(w)
		n := 0
		return sinktest.Harness{
			Open:     open(typ),
			Received: func(testing.TB) [][]byte { return lines(w.String()) },
			Refused: func(testing.TB) sink.Record {
				n++
				return sink.Record{Body: fmt.Appendf(nil, "forged %d\n{}", n)}
			},
			Break:  func(t testing.TB) { w.fail(t, 0) },
			Falter: w.fail,
			Hang:   w.hang,
			Repair: w.repair,
		}
	})
}

func TestOnePublishIsOneWrite(t *testing.T) {
	w := newWriter()
	snk := open(stdout.To(w))(t)
	if err := snk.Publish(t.Context(), batch("a", "b", "c")); err != nil {
		t.Fatal(err)
	}
	if got, want := w.String(), "a\nb\nc\n"; got != want || w.writes != 1 {
		t.Errorf("got %q in %d writes, want %q in one", got, w.writes, want)
	}
}

func TestRefusedRecordsAreNamedAndTheOthersWritten(t *testing.T) {
	w := newWriter()
	err := open(stdout.To(w))(t).Publish(t.Context(), batch("a", "b\nforged", "c", "\n"))
	partial, _ := errors.AsType[sink.BatchError](err)
	var named []int
	for _, e := range partial {
		named = append(named, e.Index)
	}
	if diff := cmp.Diff([]int{1, 3}, named); diff != "" {
		t.Errorf("named records (-want +got):\n%s", diff)
	}
	if got, want := w.String(), "a\nc\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestLanesShareTheOutput lets lanes publish at once to a writer that does not allow
// concurrent writes. The race detector notices them too.
func TestLanesShareTheOutput(t *testing.T) {
	const lanes, publishes, records = 4, 50, 5
	var text bytes.Buffer
	typ := stdout.To(&text)
	var group errgroup.Group
	for lane := range lanes {
		snk := open(typ)(t)
		group.Go(func() error {
			for n := range publishes {
				var bodies []string
				for i := range records {
					bodies = append(bodies, fmt.Sprintf("%d %d", lane, n*records+i))
				}
				if err := snk.Publish(t.Context(), batch(bodies...)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	next := make([]int, lanes)
	for _, line := range lines(text.String()) {
		var lane, n int
		if _, err := fmt.Sscanf(string(line), "%d %d", &lane, &n); err != nil || n != next[lane] {
			t.Fatalf("line %q, want lane %d to go on with %d", line, lane, next[lane])
		}
		next[lane]++
	}
	if want := slices.Repeat([]int{publishes * records}, lanes); !slices.Equal(next, want) {
		t.Errorf("got %v lines, want %v", next, want)
	}
}

// short takes only some bytes of each write; left holds how many.
type short struct {
	bytes.Buffer
	left []int
}

func (s *short) Write(p []byte) (int, error) {
	n := len(p)
	if len(s.left) > 0 {
		n, s.left = min(n, s.left[0]), s.left[1:]
	}
	return s.Buffer.Write(p[:n])
}

func TestShortWriteIsAnErrorAndTheTornLineDoesNotMerge(t *testing.T) {
	for _, c := range []struct {
		name string
		left []int
		want string
	}{
		{"nothing was written", []int{0}, "first\nsecond\n"},
		{"within the first line", []int{3}, "fir\nfirst\nsecond\n"},
		{"before its line end", []int{5}, "first\nfirst\nsecond\n"},
		{"after its line end", []int{6}, "first\nfirst\nsecond\n"},
		{"twice within a line", []int{3, 3}, "fir\nfi\nfirst\nsecond\n"},
		{"twice, the second time nothing", []int{3, 0}, "fir\nfirst\nsecond\n"},
		{"twice, the second time only the line end", []int{3, 1}, "fir\nfirst\nsecond\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			failures := len(c.left)
			w := &short{left: c.left}
			snk := open(stdout.To(w))(t)
			for range failures {
				if err := snk.Publish(t.Context(), batch("first", "second")); !errors.Is(err, io.ErrShortWrite) {
					t.Fatalf("got error %v, want %v", err, io.ErrShortWrite)
				}
			}
			if err := snk.Publish(t.Context(), batch("first", "second")); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, w.String()); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
		})
	}
}

func TestErrorNamesTheOperation(t *testing.T) {
	w := newWriter()
	w.fail(t, 0)
	err := open(stdout.To(w))(t).Publish(t.Context(), batch("a"))
	if got, want := fmt.Sprint(err), "writing to output: writer is broken"; got != want {
		t.Errorf("got error %q, want %q", got, want)
	}
}

func TestEndedContextWritesNothing(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	w := newWriter()
	snk := open(stdout.To(w))(t)
	for range 20 {
		if err := snk.Publish(ended, batch("a")); !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v, want %v", err, context.Canceled)
		}
	}
	if err := snk.Publish(t.Context(), batch("last")); err != nil { // waits for any unfinished write
		t.Fatal(err)
	}
	if got, want := w.String(), "last\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestAbandonedWriteKeepsItsBytes publishes again while an earlier write hangs whose
// Publish has returned.
func TestAbandonedWriteKeepsItsBytes(t *testing.T) {
	w := newWriter()
	snk := open(stdout.To(w))(t)
	if err := snk.Publish(t.Context(), batch("this one leaves a buffer")); err != nil {
		t.Fatal(err)
	}
	reached := w.hang(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-reached
		cancel()
	}()
	for _, body := range []string{"left", "held"} {
		if err := snk.Publish(ctx, batch(body)); !errors.Is(err, context.Canceled) {
			t.Fatalf("got error %v, want %v", err, context.Canceled)
		}
	}
	w.repair(t)
	if err := snk.Publish(t.Context(), batch("last")); err != nil {
		t.Fatal(err)
	}
	if got, want := w.String(), "this one leaves a buffer\nleft\nlast\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestBrokenPipeIsAnError runs a program whose standard output has no reader. If
// SIGPIPE ended it, its standard error would be empty.
func TestBrokenPipeIsAnError(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asSink+"=1")
	cmd.Stdout = writer
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if got, want := said.String(), "writing to output: write /dev/stdout: broken pipe; broken pipe: true"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestClosedStandardOutputIsAnErrorOfOpen(t *testing.T) {
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	typ := stdout.To(f)
	snk, err := typ.Open(t.Context(), sink.Env{}, typ.Settings())
	if err == nil {
		err = snk.Publish(t.Context(), batch("a"))
	}
	if !errors.Is(err, os.ErrClosed) {
		t.Errorf("got error %v, want %v", err, os.ErrClosed)
	}
}

// TestOutputThatWasClosedFromTheStart runs this binary without a standard output.
// The runtime opens the null device in its place.
func TestOutputThatWasClosedFromTheStart(t *testing.T) {
	for redirection, want := range map[string]string{
		">&-":             "opening output: open /dev/stdout: was closed when the process started, so records would be lost; broken pipe: false",
		"<&- >&- ":        "opening output: open /dev/stdout: was closed when the process started, so records would be lost; broken pipe: false",
		"</dev/null":      "<nil>; broken pipe: false",
		">/dev/null":      "<nil>; broken pipe: false",
		"<&- | cat":       "<nil>; broken pipe: false",
		">>$OUT":          "<nil>; broken pipe: false",
		">$OUT; cat $OUT": "<nil>; broken pipe: false",
	} {
		t.Run(redirection, func(t *testing.T) {
			cmd := exec.Command("sh", "-c", `"$0" `+redirection, os.Args[0])
			cmd.Env = append(os.Environ(), asSink+"=1", "OUT="+t.TempDir()+"/records")
			var said strings.Builder
			cmd.Stderr = &said
			if err := cmd.Run(); err != nil {
				t.Fatal(err)
			}
			if got := said.String(); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestNullDeviceIsLogged(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAll(t, null) })
	var log strings.Builder
	typ := stdout.To(null)
	for range 2 { // lanes share the output, and each logs it
		log.Reset()
		if _, err := typ.Open(t.Context(), sink.Env{Log: zerolog.New(&log)}, typ.Settings()); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(log.String(), "records are discarded") {
			t.Errorf("got log %q, want a warning", log.String())
		}
	}
}

func TestDeletedFileTakesNothing(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/records")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAll(t, file) })
	snk := open(stdout.To(file))(t)
	if err := snk.Publish(t.Context(), batch("a")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(file.Name()); err != nil {
		t.Fatal(err)
	}
	err = snk.Publish(t.Context(), batch("b"))
	if err == nil || sink.IsPermanent(err) || !strings.Contains(err.Error(), "was deleted") {
		t.Errorf("got error %v, want that the file was deleted", err)
	}
}

func TestCheckDescribesTheOutput(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAll(t, reader, writer) })
	file, err := os.Create(t.TempDir() + "/records")
	if err != nil {
		t.Fatal(err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAll(t, file, null) })
	for _, c := range []struct {
		w    io.Writer
		want string
	}{
		{io.Discard, "a writer within this program"},
		{writer, "a pipe"},
		{file, "a file, written without fsync; the file sink makes records durable"},
		{null, "the null device; records are discarded"},
	} {
		got, err := open(stdout.To(c.w))(t).(sink.Checker).Check(t.Context())
		if err != nil || got != "stdout is "+c.want {
			t.Errorf("got %q, error %v, want %q", got, err, c.want)
		}
	}
}

func closeAll(t *testing.T, files ...*os.File) {
	t.Helper()
	for _, f := range files {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}
