package console

import (
	"encoding/hex"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// Limits of the events that are kept whole.
const (
	mostRecent  = 500
	longestRaw  = 64 << 10
	longestText = 1 << 10 // of each text of an event
	mostCopies  = 1000    // of events a second, except those of the last page of a catch-up
	// slotBytes is what an event takes besides its bytes.
	slotBytes = int64(unsafe.Sizeof(slot{})) + 48
)

// Kept is an event that is remembered whole.
type Kept struct {
	Key      string // names it in an address: [0-9a-f]{16}
	Source   string
	Severity int // 0 to 10
	Reason   string
	Actor    string
	Title    string // what was done, in words
	Object   string
	Place    string       // address and location
	Event    source.Event // with a copy of its Raw
	Cut      bool         // Event has only the beginning of its raw bytes: the rest was too long
}

// Recent returns the newest events, newest first, at most n. filter selects those that have
// every word of it, whatever the case, in any of their texts or in the raw event.
func (a *Activity) Recent(src, filter string, n int) []Kept {
	words := strings.Fields(strings.ToLower(filter))
	enough := n
	if len(words) > 0 {
		enough = mostRecent // It is not known yet which of them have the words.
	}
	var list []Kept
	for _, c := range a.copies(src, enough) {
		if k := c.kept(); len(list) < n && c.matches(&k, words) {
			list = append(list, k)
		}
	}
	return list
}

// Find returns the event of a key.
func (a *Activity) Find(key string) (Kept, bool) {
	var b [8]byte
	if len(key) != 2*len(b) {
		return Kept{}, false
	}
	if _, err := hex.Decode(b[:], []byte(key)); err != nil {
		return Kept{}, false
	}
	number := uint64(0)
	for _, c := range b {
		number = number<<8 | uint64(c)
	}
	a.mu.Lock()
	s := a.recent.slots[number]
	if s == nil {
		a.mu.Unlock()
		return Kept{}, false
	}
	c := s.copied()
	a.mu.Unlock()
	return c.kept(), true
}

// copies returns copies of the newest events, newest first, so that lanes go on while they
// are shown.
func (a *Activity) copies(src string, n int) []copied {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := make([]copied, 0, min(n, len(a.recent.order)))
	for _, s := range slices.Backward(a.recent.order) {
		if len(list) < n && (src == "" || s.source.name == src) {
			list = append(list, s.copied())
		}
	}
	return list
}

// recent holds the newest events. Activity's mutex guards it.
type recent struct {
	most  int64 // bytes
	bytes int64
	order []*slot // the oldest first
	slots map[uint64]*slot

	second int64 // in which events were copied
	copies int   // how many
}

// slot is an event. Its texts and bytes are in one buffer, which a later event may reuse,
// so a catch-up makes no garbage.
type slot struct {
	key    uint64
	source *followed
	at     time.Time // by which it is ordered
	shape
	buf []byte // raw bytes, metadata unless they are part of them, and texts
}

// shape is what is known of an event besides its buffer.
type shape struct {
	time, read        time.Time
	late, gap, reject bool
	ownToken, cut     bool
	raw               int          // length
	metadata          int          // where they begin in the buffer
	behind            int          // and where they end; not behind their beginning if there are none
	ends              [texts]int32 // of texts in the buffer; the first one begins at text
	text              int
}

// texts is the number of texts of an event.
const texts = 17

func textsOf(e *source.Event) [texts]*string {
	first, second := &e.Objects[0], &e.Objects[1]
	return [texts]*string{
		&e.ID, &e.Organization, &e.Action, &e.Verb, &e.Actor.ID, &e.Actor.Type, &e.Actor.Name,
		&first.ID, &first.Type, &first.Name, &second.ID, &second.Type, &second.Name,
		&e.RemoteIP, &e.Location, &e.Modified, &e.Problem,
	}
}

// takes reports whether an event of that time is among the newest.
func (r *recent) takes(at time.Time) bool {
	return len(r.order) < mostRecent || at.After(r.order[0].at)
}

// unhurried reports whether there is time to copy so many events now.
func (r *recent) unhurried(events int, now time.Time) bool {
	if second := now.Unix(); second != r.second {
		r.second, r.copies = second, 0
	}
	r.copies += events
	return r.copies <= mostCopies || len(r.order) < mostRecent
}

// offer keeps an event, if there is time. If there was none for the ones before, it forgets
// what is older, so that no event is missing between two that are shown.
func (r *recent) offer(f *followed, e *source.Event, at time.Time, key uint64, unhurried bool) {
	if !unhurried {
		if at.After(f.skipped) {
			f.skipped = at
		}
		return
	}
	if !f.skipped.IsZero() {
		r.forget(func(s *slot) bool { return s.source == f && !s.at.After(f.skipped) })
		f.skipped = time.Time{}
	}
	r.add(f, e, at, key)
}

// forget removes events.
func (r *recent) forget(these func(*slot) bool) {
	r.order = slices.DeleteFunc(r.order, func(s *slot) bool {
		if !these(s) {
			return false
		}
		r.drop(s)
		return true
	})
}

func (r *recent) drop(s *slot) {
	delete(r.slots, s.key)
	r.bytes -= slotBytes + int64(cap(s.buf))
}

// add keeps an event that it does not have yet, if there is room among newer ones.
func (r *recent) add(f *followed, e *source.Event, at time.Time, key uint64) {
	if r.slots[key] != nil {
		return
	}
	size := sizeOf(e)
	var s *slot
	for len(r.order) == mostRecent || r.bytes+slotBytes+int64(size) > r.most {
		if len(r.order) == 0 || !at.After(r.order[0].at) {
			return
		}
		s = r.removeFirst()
	}
	if s == nil {
		s = &slot{}
	}
	if cap(s.buf) < size || cap(s.buf) > 2*size {
		s.buf = make([]byte, 0, size)
	}
	s.key, s.source, s.at = key, f, at
	s.pack(e)
	r.bytes += slotBytes + int64(cap(s.buf))
	i := len(r.order)
	for i > 0 && r.order[i-1].at.After(at) {
		i--
	}
	r.order = slices.Insert(r.order, i, s)
	r.slots[key] = s
}

func (r *recent) removeFirst() *slot {
	s := r.order[0]
	r.order = slices.Delete(r.order, 0, 1)
	r.drop(s)
	return s
}

// sizeOf returns the size of the buffer of an event.
func sizeOf(e *source.Event) int {
	size := min(len(e.Raw), longestRaw)
	if _, ok := within(e); !ok {
		size += min(len(e.Metadata), longestRaw)
	}
	for _, text := range textsOf(e) {
		size += min(len(*text), longestText)
	}
	return size
}

// within returns where in the raw bytes the metadata begin, if they are part of them.
func within(e *source.Event) (at int, ok bool) {
	raw, metadata := uintptr(unsafe.Pointer(unsafe.SliceData(e.Raw))), uintptr(unsafe.Pointer(unsafe.SliceData(e.Metadata)))
	if metadata < raw || metadata+uintptr(len(e.Metadata)) > raw+uintptr(len(e.Raw)) {
		return 0, false
	}
	return int(metadata - raw), true
}

// pack copies an event.
func (s *slot) pack(e *source.Event) {
	s.shape = shape{time: e.Time, read: e.Read, late: e.Late, ownToken: e.OwnToken, gap: e.Gap, reject: e.Reject}
	s.raw = min(len(e.Raw), longestRaw)
	s.buf = append(s.buf[:0], e.Raw[:s.raw]...)
	s.cut = s.raw < len(e.Raw)
	at, part := within(e)
	switch end := at + len(e.Metadata); {
	case len(e.Metadata) == 0:
	case part && end <= s.raw:
		s.metadata, s.behind = at, end
	case !part && len(e.Metadata) <= longestRaw:
		s.metadata, s.behind = s.raw, s.raw+len(e.Metadata)
		s.buf = append(s.buf, e.Metadata...)
	default:
		s.cut = true // They are left out, since a part of them is no JSON.
	}
	s.text = len(s.buf)
	for i, text := range textsOf(e) {
		s.buf = append(s.buf, transform.Cut(*text, longestText)...)
		s.ends[i] = int32(len(s.buf))
	}
}

// copied is a copy of a slot.
type copied struct {
	key    uint64
	source *followed
	shape
	all string // its buffer
}

func (s *slot) copied() copied { return copied{s.key, s.source, s.shape, string(s.buf)} }

func (c *copied) event() source.Event {
	e := source.Event{Time: c.time, Read: c.read, Late: c.late, OwnToken: c.ownToken, Gap: c.gap, Reject: c.reject, Raw: []byte(c.all[:c.raw])}
	if c.behind > c.metadata {
		e.Metadata = []byte(c.all[c.metadata:c.behind])
	}
	begin := c.text
	for i, text := range textsOf(&e) {
		*text = c.all[begin:c.ends[i]]
		begin = int(c.ends[i])
	}
	return e
}

func (c *copied) kept() Kept {
	k := Kept{Source: c.source.name, Event: c.event(), Cut: c.cut}
	var b [8]byte
	for i := range b {
		b[i] = byte(c.key >> (56 - 8*i))
	}
	k.Key = hex.EncodeToString(b[:])
	action := c.source.catalogue.Of(&k.Event)
	roles := c.source.catalogue.Resolve(&k.Event, action)
	k.Severity, k.Reason = action.Severity, action.Reason
	k.Title = transform.Title(k.Event.Action, action)
	if k.Actor = actor(&k.Event); k.Actor == "" && k.Event.Problem != "" {
		k.Actor = unknownActor
	}
	k.Object = transform.Called(roles.Object, roles.Object.Type)
	k.Place = strings.TrimSpace(k.Event.RemoteIP + " " + k.Event.Location)
	return k
}

// unknownActor stands for the actor of an event that could not be decoded.
const unknownActor = "unknown"

// actor returns who acted, for people; empty if that is not known.
func actor(e *source.Event) string {
	if !transform.Acted(e) {
		if e.Problem != "" {
			return ""
		}
		return transform.ActorType(e)
	}
	return transform.Called(e.Actor, e.Actor.Type)
}

// matches reports whether an event has all the words, which are in lower case.
func (c *copied) matches(k *Kept, words []string) bool {
	if len(words) == 0 {
		return true
	}
	texts := strings.ToLower(strings.Join([]string{c.all, k.Source, severity(k.Severity), k.Reason, k.Actor, k.Title, k.Object, k.Place}, "\n"))
	for _, w := range words {
		if !strings.Contains(texts, w) {
			return false
		}
	}
	return true
}
