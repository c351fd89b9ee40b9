package app

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

func TestBacklogKeepsLinesInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		b := newBacklog(w)
		line := make([]byte, 0, 10)
		for i := range backlogLines / 2 {
			line = fmt.Appendf(line[:0], "%d\n", i)
			if n, err := b.Write(line); n != len(line) || err != nil {
				t.Fatalf("got %d, %v", n, err)
			}
		}
		go func() {
			b.close()
			w.Close()
		}()
		lines := bufio.NewScanner(r)
		for i := range backlogLines / 2 {
			if !lines.Scan() || lines.Text() != fmt.Sprint(i) {
				t.Fatalf("got line %q, want %d", lines.Text(), i)
			}
		}
		if lines.Scan() {
			t.Errorf("got line %q, want the end", lines.Text())
		}
	})
}

func TestBacklogTellsWhatItDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		b := newBacklog(w)
		const all = 3 * backlogLines
		for i := range all {
			if _, err := fmt.Fprintf(b, "{\"n\":%d}\n", i); err != nil {
				t.Fatal(err)
			}
		}
		go func() {
			b.close()
			w.Close()
		}()
		came, dropped, last := int64(0), int64(0), int64(-1)
		for lines := bufio.NewScanner(r); lines.Scan(); {
			var line struct {
				N     *int64
				Lines int64
			}
			if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
				t.Fatalf("%s: %v", lines.Text(), err)
			}
			if line.N == nil {
				dropped += line.Lines
				continue
			}
			if *line.N <= last {
				t.Fatalf("got line %d behind line %d", *line.N, last)
			}
			came, last = came+1, *line.N
		}
		if came < backlogLines || came+dropped != all {
			t.Errorf("%d lines came and %d are said to be dropped, want %d together", came, dropped, all)
		}
	})
}

func TestBacklogThatNobodyReadsIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		b := newBacklog(w)
		if _, err := fmt.Fprintln(b, "a line"); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		b.close()
		if took := time.Since(began); took != closeTimeout {
			t.Errorf("the end took %s, want %s", took, closeTimeout)
		}
		if n, err := fmt.Fprintln(b, "another"); n != 8 || err != nil {
			t.Errorf("a line after the end: got %d, %v", n, err)
		}
		r.Close()
	})
}
