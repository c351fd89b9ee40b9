package ownlog_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/source/ownlog"
)

// TestCrash lets two processes append to a log whose disk fails, kills one of them or loses
// power at any step. A reader follows, and never loses its place. What it is shown must be
// each acknowledged event once and in order, and under a number that never names another.
func TestCrash(t *testing.T) {
	times := 20 // a hundred checks each, which take 40 ms
	if testing.Short() {
		times = 5
	}
	for range times {
		rapid.Check(t, crash)
	}
}

func crash(rt *rapid.T) {
	w := &world{T: rt, disk: &crashDisk{names: map[string]*inode{}, synced: map[string]*inode{}}, tried: map[string]bool{}}
	w.disk.draw = func(n int, what string) int { return rapid.IntRange(0, n).Draw(rt, what) }
	w.segments = rapid.SampledFrom([]int{2, 1000}).Draw(rt, "segments")
	for range rapid.IntRange(1, 8).Draw(rt, "lives") {
		w.live()
		w.disk.losePower()
	}
	w.disk.trouble = none
	w.processes = [3]*process{}
	w.follow(0)
	w.judge()
}

type world struct {
	*rapid.T
	disk      *crashDisk
	segments  int
	processes [3]*process // the last one only reads
	clock     int         // counts calls of Append
	tried     map[string]bool
	acked     []event
	read      []string
	at        int64
	lost      int64 // lines before it were removed before they were read
}

// process is one that has the log open, or tried.
type process struct {
	files *ownlog.Files
	disk  *handle
	owes  event // its Append failed, and is tried again; zero if there is none
}

type event struct {
	line         string
	began, ended int // the calls of Append that first had it, and that succeeded
}

// live runs steps until the power fails.
func (w *world) live() {
	w.processes = [3]*process{}
	for range rapid.IntRange(1, 14).Draw(w.T, "steps") {
		w.disk.trouble = rapid.SampledFrom([]trouble{none, none, none, failing, dying, powerless}).Draw(w.T, "trouble")
		w.disk.steps = rapid.IntRange(0, 6).Draw(w.T, "steps until then")
		who := rapid.IntRange(0, 2).Draw(w.T, "process")
		if who == 2 || rapid.IntRange(0, 3).Draw(w.T, "reads") == 0 {
			w.follow(who)
		} else {
			w.append(who)
		}
		if w.disk.dead {
			return
		}
	}
}

// running returns a process with the log open; nil if it cannot be opened.
func (w *world) running(who int) *process {
	if p := w.processes[who]; p != nil && !p.disk.dead {
		return p
	}
	h := &handle{crashDisk: w.disk}
	f, err := ownlog.OpenFilesOn("own", h, 200, w.segments)
	if err != nil {
		w.expected(err)
		return nil
	}
	w.processes[who] = &process{files: f, disk: h}
	return w.processes[who]
}

func (w *world) expected(err error) {
	if !errors.Is(err, errTrouble) {
		w.Fatalf("unexpected: %v", err)
	}
}

func (w *world) append(who int) {
	p := w.running(who)
	if p == nil {
		return
	}
	w.clock++
	if p.owes.line == "" || rapid.IntRange(0, 4).Draw(w.T, "gives up") == 0 {
		text := strings.Repeat("x", rapid.SampledFrom([]int{0, 40, 250}).Draw(w.T, "size"))
		p.owes = event{line: fmt.Sprintf(`{"id":"%d","text":"%s"}`, w.clock, text), began: w.clock}
		w.tried[p.owes.line] = true
	}
	if err := p.files.Append(context.Background(), []byte(p.owes.line)); err != nil {
		w.expected(err)
		return
	}
	p.owes.ended = w.clock
	w.acked = append(w.acked, p.owes)
	p.owes = event{}
}

// follow reads what there is.
func (w *world) follow(who int) {
	p := w.running(who)
	if p == nil {
		return
	}
	for {
		b, err := p.files.Bounds(context.Background())
		if err != nil {
			w.expected(err)
			return
		}
		if b.Next < w.at {
			w.Fatalf("the log ends at %d, and %d was read", b.Next, w.at)
		}
		got, err := p.files.Read(context.Background(), w.at, rapid.SampledFrom([]int{1, 100, 1000}).Draw(w.T, "most"))
		if err != nil {
			w.expected(err)
			return
		}
		if len(got.Lines) == 0 {
			if b.Next > w.at {
				w.Fatalf("no line %d, and the log ends at %d", w.at, b.Next)
			}
			return
		}
		if got.Gone != (got.Lines[0].Number > w.at) || got.Gone && w.segments > 2 {
			w.Fatalf("asked for %d, got %d, gone %v", w.at, got.Lines[0].Number, got.Gone)
		}
		if got.Gone {
			w.lost = got.Lines[0].Number
		}
		for i, l := range got.Lines {
			if i > 0 && l.Number != got.Lines[i-1].Number+1 {
				w.Fatalf("line %d follows line %d", l.Number, got.Lines[i-1].Number)
			}
			w.read = append(w.read, string(l.Text))
			w.at = l.Number + 1
		}
	}
}

// judge compares what was read with what was acknowledged. Where lines were removed before
// they were read, the events of that time may be missing.
func (w *world) judge() {
	seen := map[string]int{}
	for i, line := range w.read {
		// What was removed before its Append is tried again is not found.
		if at, again := seen[line]; again && w.segments > 2 {
			w.Fatalf("%s was shown as number %d and %d", line, at, i)
		}
		if !w.tried[line] {
			w.Fatalf("%q was shown, and nobody appended it", line)
		}
		seen[line] = i
	}
	for _, e := range w.acked {
		at, ok := seen[e.line]
		if !ok && w.lost == 0 {
			w.Fatalf("%s was acknowledged and is lost", e.line)
		}
		for _, later := range w.acked {
			if other, there := seen[later.line]; ok && there && later.began > e.ended && other < at {
				w.Fatalf("%s was shown before %s, which was acknowledged earlier", later.line, e.line)
			}
		}
	}
}

// trouble is what happens to the disk or a process.
type trouble int

const (
	none      trouble = iota
	failing           // one operation fails
	dying             // the process that asks for an operation dies in it
	powerless         // all processes do
)

var errTrouble = errors.New("trouble")

// crashDisk is a directory as processes see it, and as it is on the disk.
type crashDisk struct {
	draw    func(n int, what string) int
	trouble trouble
	steps   int // until it happens
	dead    bool
	names   map[string]*inode
	synced  map[string]*inode
	pending []change // of names, not yet synced
}

type change struct {
	name string
	node *inode // nil: removed
}

// inode has a byte of dirty for each of data: whether a sync would write it.
type inode struct {
	data  []byte
	dirty []bool
	disk  []byte
}

// handle is the disk as one process uses it.
type handle struct {
	*crashDisk
	dead bool
}

// step decides what becomes of an operation.
func (h *handle) step() error {
	if h.dead || h.crashDisk.dead {
		return errTrouble
	}
	if h.trouble == none {
		return nil
	}
	if h.steps--; h.steps >= 0 {
		return nil
	}
	switch h.trouble {
	case dying:
		h.dead = true
	case powerless:
		h.crashDisk.dead = true
	}
	h.trouble = none
	return errTrouble
}

func (h *handle) Lock(context.Context, string) (io.Closer, error) { return io.NopCloser(nil), h.step() }

func (h *handle) List(string) (names []string, err error) {
	for path := range h.names {
		names = append(names, filepath.Base(path))
	}
	slices.Sort(names)
	return names, h.step()
}

func (h *handle) Create(path string) (ownlog.DiskFile, error) {
	if h.names[path] != nil {
		return nil, fs.ErrExist
	}
	err := h.step()
	if err != nil && h.draw(1, "created all the same") == 0 {
		return nil, err
	}
	n := &inode{}
	h.names[path] = n
	h.pending = append(h.pending, change{path, n})
	return &file{h, n}, err
}

func (h *handle) Open(path string) (ownlog.DiskFile, error) {
	n := h.names[path]
	if n == nil {
		return nil, fs.ErrNotExist
	}
	return &file{h, n}, h.step()
}

func (h *handle) Remove(path string) error {
	if err := h.step(); err != nil {
		return err
	}
	delete(h.names, path)
	h.pending = append(h.pending, change{name: path})
	return nil
}

func (h *handle) SyncDir(string) error {
	if err := h.step(); err != nil {
		return err
	}
	h.apply(len(h.pending))
	return nil
}

type file struct {
	h *handle
	n *inode
}

func (f *file) Close() error { return f.h.step() }

func (f *file) Size() (int64, error) { return int64(len(f.n.data)), f.h.step() }

func (f *file) ReadAt(p []byte, at int64) (int, error) {
	if err := f.h.step(); err != nil {
		return 0, err
	}
	n := copy(p, f.n.data[min(int(at), len(f.n.data)):])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *file) WriteAt(p []byte, at int64) (int, error) {
	err := f.h.step()
	if err != nil {
		p = p[:f.h.draw(len(p), "bytes written")]
	}
	f.n.resize(max(len(f.n.data), int(at)+len(p)))
	copy(f.n.data[at:], p)
	for i := range p {
		f.n.dirty[int(at)+i] = true
	}
	return len(p), err
}

func (f *file) Truncate(size int64) error {
	if err := f.h.step(); err != nil {
		return err
	}
	f.n.resize(int(size))
	return nil
}

// Sync that fails leaves all bytes as if they were written.
func (f *file) Sync() error {
	err := f.h.step()
	if f.h.dead || f.h.crashDisk.dead {
		return errTrouble
	}
	written := len(f.n.data)
	if err != nil {
		written = f.h.draw(written, "bytes synced")
	}
	f.n.flush(0, written, len(f.n.data))
	clear(f.n.dirty)
	return err
}

func (n *inode) resize(size int) {
	n.data = append(n.data[:min(size, len(n.data))], make([]byte, max(0, size-len(n.data)))...)
	n.dirty = append(n.dirty[:min(size, len(n.dirty))], make([]bool, max(0, size-len(n.dirty)))...)
}

// flush writes the dirty ones of some bytes to the disk, which keeps or gets a length. What
// was never written is zeros.
func (n *inode) flush(from, to, length int) {
	disk := make([]byte, length)
	copy(disk, n.disk)
	for i := range min(to, length) {
		if n.dirty[i] && i >= from {
			disk[i] = n.data[i]
		}
	}
	n.disk = disk
}

// losePower ends all processes. It leaves what the disk has: some of the changes of names,
// in their order, and of each file what was synced and perhaps more.
func (d *crashDisk) losePower() {
	d.trouble = none
	if !d.dead && d.draw(1, "the power stays") == 1 {
		return
	}
	d.dead = false
	d.apply(d.draw(len(d.pending), "names that survive"))
	d.names = maps.Clone(d.synced)
	for _, path := range slices.Sorted(maps.Keys(d.names)) {
		n := d.names[path]
		from, to := min(len(n.disk), len(n.data)), max(len(n.disk), len(n.data))
		begin := d.draw(len(n.data), "first byte that survives")
		n.flush(begin, begin+d.draw(len(n.data)-begin, "bytes that survive"), from+d.draw(to-from, "length that survives"))
		n.data = slices.Clone(n.disk)
		n.dirty = make([]bool, len(n.data))
	}
}

// apply makes the first changes of names survive.
func (d *crashDisk) apply(changes int) {
	for _, c := range d.pending[:changes] {
		if c.node == nil {
			delete(d.synced, c.name)
		} else {
			d.synced[c.name] = c.node
		}
	}
	d.pending = nil
}
