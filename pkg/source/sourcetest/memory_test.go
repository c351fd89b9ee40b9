package sourcetest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/source/sourcetest"
)

// TestPagesOfMemory requests the page behind b of a log with the events a (the newest) to
// e, two events a page, after the top page.
func TestPagesOfMemory(t *testing.T) {
	for fault, want := range map[sourcetest.Fault]string{
		sourcetest.None:        "200 c,d more d",
		sourcetest.Unavailable: "503",
		sourcetest.Unknown:     "404",
		sourcetest.Throttled:   "429 wait 1s",
		sourcetest.Repeat:      "200 a,b more b",
		sourcetest.Twice:       "200 b,c more c",
		sourcetest.Empty:       "200 more",
		sourcetest.Early:       "200 c,d d",
	} {
		m := memory()
		m.List(t.Context(), "", 2)
		m.Script(func(r sourcetest.Request) sourcetest.Fault {
			if r.N != 2 || r.Cursor != "b" {
				t.Errorf("request %d behind %q, want 2 and b", r.N, r.Cursor)
			}
			return fault
		})
		if got := line(m.List(t.Context(), "b", 2)); got != want {
			t.Errorf("fault %d: got %q, want %q", fault, got, want)
		}
	}
}

func TestMemoryListsInEitherOrder(t *testing.T) {
	m := memory()
	if got := line(m.List(t.Context(), "", 9)); got != "200 a,b,c,d,e e" {
		t.Errorf("the newest first: got %q", got)
	}
	m.Delete("a", "b", "c", "d", "e")
	m.Reverse()
	fill(m)
	if got := line(m.List(t.Context(), "d", 9)); got != "200 c,b,a a" {
		t.Errorf("the oldest first, behind d: got %q", got)
	}
	if got := line(m.List(t.Context(), "gone", 9)); got != "404" {
		t.Errorf("behind an unknown event: got %q", got)
	}
}

func TestHangEndsWithTheContext(t *testing.T) {
	m := memory()
	m.Script(func(sourcetest.Request) sourcetest.Fault { return sourcetest.Hang })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := line(m.List(ctx, "", 2)); got != "503" {
		t.Errorf("got %q, want 503", got)
	}
}

func memory() *sourcetest.Memory {
	m := &sourcetest.Memory{}
	fill(m)
	return m
}

func fill(m *sourcetest.Memory) {
	for i, id := range []string{"a", "b", "c", "d", "e"} {
		m.Append(sourcetest.Event{ID: id, Time: time.Unix(int64(100-i), 0)})
	}
}

// line is a page in one line.
func line(p sourcetest.Page) string {
	var ids []string
	for _, e := range p.Events {
		ids = append(ids, e.ID)
	}
	fields := []string{fmt.Sprint(p.Status), strings.Join(ids, ",")}
	if p.More {
		fields = append(fields, "more")
	}
	if p.Wait > 0 {
		fields = append(fields, "wait "+p.Wait.String())
	}
	return strings.Join(strings.Fields(strings.Join(append(fields, p.Cursor), " ")), " ")
}
