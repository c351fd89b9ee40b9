package sourcetest

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Memory is a log in memory that lists its newest event first. The zero Memory is
// empty.
type Memory struct {
	mu       sync.Mutex
	events   []Event // in the order of the listing
	reversed bool
	script   func(Request) Fault
	replaced chan struct{} // closed when the script is replaced; nil if there was none yet
	requests int
	last     Page
}

// Page is the answer to a request.
type Page struct {
	Status int           // of HTTP; Events, More and Cursor are set for 200 only
	Wait   time.Duration // how long the client must wait, in whole seconds; set for 429 only
	Events []Event
	More   bool   // something is listed behind the page
	Cursor string // leads behind the page; empty if the page is empty
}

// Append adds events to the log.
func (m *Memory) Append(events ...Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events = append(m.events, events...)
	slices.SortStableFunc(m.events, func(a, b Event) int {
		if m.reversed {
			return a.Time.Compare(b.Time)
		}
		return b.Time.Compare(a.Time)
	})
}

// Delete removes events from the log.
func (m *Memory) Delete(ids ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events = slices.DeleteFunc(m.events, func(e Event) bool { return slices.Contains(ids, e.ID) })
}

// Reverse makes an empty log list its oldest event first.
func (m *Memory) Reverse() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reversed = !m.reversed
}

// Script sets the faults of later requests, and answers those that hang.
func (m *Memory) Script(script func(Request) Fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.replaced != nil {
		close(m.replaced)
	}
	m.script, m.replaced = script, make(chan struct{})
}

// List returns the page of at most limit events behind cursor, or the answer of a scripted
// fault. With Hang it returns when ctx ends or the script is replaced.
func (m *Memory) List(ctx context.Context, cursor string, limit int) Page {
	switch fault, replaced := m.fault(cursor); {
	case fault == Hang:
		select {
		case <-ctx.Done():
		case <-replaced:
		}
		return Page{Status: http.StatusServiceUnavailable}
	case fault == Unavailable:
		return Page{Status: http.StatusServiceUnavailable}
	case fault == Unknown && cursor != "":
		return Page{Status: http.StatusNotFound}
	case fault == Throttled:
		return Page{Status: http.StatusTooManyRequests, Wait: Wait}
	case fault == Empty:
		return Page{Status: http.StatusOK, More: true}
	default:
		return m.list(cursor, limit, fault)
	}
}

// fault asks the script for the fault of a request. The channel is closed when that script
// is replaced.
func (m *Memory) fault(cursor string) (Fault, <-chan struct{}) {
	m.mu.Lock()
	m.requests++
	r, script, replaced := Request{N: m.requests, Cursor: cursor}, m.script, m.replaced
	m.mu.Unlock()
	if script == nil {
		return None, nil
	}
	return script(r), replaced
}

// list answers with a page.
func (m *Memory) list(cursor string, limit int, fault Fault) Page {
	m.mu.Lock()
	defer m.mu.Unlock()
	if fault == Repeat && m.last.Status != 0 {
		return m.last
	}
	m.last = m.page(cursor, limit, fault == Twice && limit > 1)
	answer := m.last
	answer.More = answer.More && fault != Early
	return answer
}

// page is the page behind cursor. It begins with the cursor's own event if again is true.
func (m *Memory) page(cursor string, limit int, again bool) Page {
	rest := m.events
	if cursor != "" {
		at := slices.IndexFunc(rest, func(e Event) bool { return e.ID == cursor })
		if at < 0 {
			return Page{Status: http.StatusNotFound}
		}
		if !again {
			at++
		}
		rest = rest[at:]
	}
	n := max(0, min(limit, len(rest)))
	p := Page{Status: http.StatusOK, Events: slices.Clone(rest[:n]), More: len(rest) > n}
	if n > 0 {
		p.Cursor = rest[n-1].ID
	}
	return p
}
