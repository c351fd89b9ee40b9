package cursorlog

import (
	"context"
	"errors"
	"fmt"

	"github.com/klauspost/compress/s2"

	"github.com/sluice-siem/sluice/pkg/source"
)

// recollection returns the events of a stretch: from memory if they are there, otherwise
// by requesting them again.
type recollection struct {
	source   *Source
	progress *progress

	// The previous page and its events, whose memory is reused within a walk.
	page   page
	events []source.Event
}

// release gives the memory back: a lane that waits for events needs none of it.
func (m *recollection) release() { m.page, m.events = page{}, nil }

// recall returns the events of a stretch in the order of the listing. They are valid until
// the next call. final means that events which cannot be read again now are gone.
func (m *recollection) recall(ctx context.Context, w *walk, st *stretch, final bool) ([]Entry, []source.Event, error) {
	body := st.body
	if !st.remembered() {
		return m.readAgain(ctx, w, st, final)
	}
	if st.data != nil {
		var err error
		if body, err = s2.Decode(nil, st.data); err != nil {
			return nil, nil, errWalk{fmt.Errorf("a page kept in memory: %w", err)}
		}
	}
	p := &m.page
	p.clocks, p.ahead, p.read, p.body = st.clocks, st.ahead, st.read, body
	events, err := p.decode(m.source.requester.client, m.events, m.source.organization, st.listed)
	if err != nil {
		return nil, nil, errWalk{fmt.Errorf("a page kept in memory: %w", err)}
	}
	m.events = events
	return p.Entries, events, nil
}

// errChanged means that the log differs from what the walk listed.
var errChanged = errors.New("the log changed during the walk")

// readAgain requests a stretch that was forgotten. It reads up to the event that was last
// in the stretch, or that followed it. A new event in between is late and belongs here;
// one that vanished is gone. If neither of the two is found, the log has changed, and the
// walk is discarded.
func (m *recollection) readAgain(ctx context.Context, w *walk, st *stretch, final bool) (found []Entry, events []source.Event, err error) {
	const pages = 4 // the old page, and 300 late events in it
	cursor := st.cursor
	for range pages {
		p, err := m.source.shared.page(ctx, cursor, catchUp)
		if err != nil {
			return nil, nil, err
		}
		m.progress.answered()
		n, ended, err := w.findEnd(p, st)
		if err != nil {
			return nil, nil, err
		}
		// The page is shared with other lanes.
		own := *p
		own.Entries = nil
		decoded, err := own.decode(m.source.requester.client, nil, m.source.organization, len(p.Entries))
		if err != nil {
			return nil, nil, errWalk{fmt.Errorf("a page read again: %w", err)}
		}
		found, events = append(found, own.Entries[:n]...), append(events, decoded[:n]...)
		switch {
		case ended:
			return found, events, nil
		case !p.HasNext && final: // The log ends here: the events that followed are gone.
			return found, events, nil
		case !p.HasNext || p.Cursor == "":
			return nil, nil, errChanged
		}
		cursor = p.Cursor
	}
	return nil, nil, errChanged
}

// findEnd returns how many events of a page that was read again belong to the stretch, and
// whether the stretch ends there.
func (w *walk) findEnd(p *page, st *stretch) (n int, ended bool, err error) {
	for i := range p.Entries {
		switch id := p.Entries[i].ID; {
		case w.first[id]:
			return 0, false, errChanged
		case id == st.after:
			return i, true, nil
		case id == st.last:
			return i + 1, true, nil
		}
	}
	if len(p.Entries) == 0 {
		return 0, false, errChanged
	}
	return len(p.Entries), false, nil
}
