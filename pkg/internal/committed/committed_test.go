package committed_test

import (
	"encoding/binary"
	"errors"
	"flag"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/internal/committed"
)

// Apache Kafka 4 wrote the segments in testdata to its disk, in the integration test.
var update = flag.Bool("update", false, "write the segments in testdata")

// A shared client would share its faults with the writer.
func TestSharesNoClientWithTheWriter(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), "segmentio/kafka-go\n") {
		t.Fatalf("go list does not list kafka-go, which this package imports: %s", out)
	}
	for name := range strings.Lines(string(out)) {
		if strings.Contains(name, "twmb/") || strings.Contains(name, "sluice/") && !strings.HasSuffix(name, "/committed\n") {
			t.Errorf("this package depends on %s", name)
		}
	}
}

func segments(t testing.TB) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob("testdata/*.log")
	if err != nil || len(names) != 5 {
		t.Fatalf("got segments %v and %v, want one for each codec", names, err)
	}
	all := make(map[string][]byte)
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(name), ".log")] = data
	}
	return all
}

func values(all []committed.Record) []string {
	got := []string{}
	for _, r := range all {
		got = append(got, string(r.Value))
	}
	return got
}

func readLog(data []byte) (all []committed.Record, open []committed.Transaction, err error) {
	open, _, err = committed.ReadLog(data, func(r committed.Record) error {
		all = append(all, r)
		return nil
	})
	return all, open, err
}

func TestSegmentsOfKafka(t *testing.T) {
	for codec, data := range segments(t) {
		t.Run(codec, func(t *testing.T) {
			all, open, err := readLog(data)
			if err != nil || len(open) > 0 {
				t.Fatalf("got %+v open and %v", open, err)
			}
			if diff := cmp.Diff([]string{"kept", "kept as well", "and this", ""}, values(all)); diff != "" {
				t.Errorf("committed (-want +got):\n%s", diff)
			}
			headers := []committed.Header{{Key: "a", Value: []byte("1")}, {Key: "a"}, {Key: "b", Value: []byte{}}}
			if diff := cmp.Diff(headers, all[3].Headers); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
		})
	}
}

// The checksum of a batch covers everything but its offset, its length, and the epoch of
// the partition's leader, which means nothing here. A length that is too large looks like
// the end of an answer: the batch must then be fetched again.
func TestDamageIsNoticed(t *testing.T) {
	const length, leader, checksum = 8, 12, 16
	data := segments(t)["none"]
	nothing := func(committed.Record) error { return nil }
	_, whole, err := committed.ReadLog(data, nothing)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(data); {
		n := 12 + int(binary.BigEndian.Uint32(data[at+length:]))
		for i := length; i < n; i++ {
			if i >= leader && i < checksum {
				continue
			}
			data[at+i] ^= 0x10
			if _, next, err := committed.ReadLog(data, nothing); err == nil && next == whole {
				t.Errorf("byte %d of the batch at %d was changed, but there is no error", i, at)
			}
			data[at+i] ^= 0x10
		}
		at += n
	}
}

// made is a record batch, made by hand after Kafka's documentation.
type made struct {
	base       int64
	last       int32 // last offset, relative to base
	attributes int16
	producer   int64
	epoch      int16
	count      int32
	records    []byte
}

const (
	transactional = 0x10
	control       = 0x20
)

func (m made) bytes() []byte {
	covered := binary.BigEndian.AppendUint16(nil, uint16(m.attributes))
	covered = binary.BigEndian.AppendUint32(covered, uint32(m.last))
	covered = append(covered, make([]byte, 16)...) // timestamps
	covered = binary.BigEndian.AppendUint64(covered, uint64(m.producer))
	covered = binary.BigEndian.AppendUint16(covered, uint16(m.epoch))
	covered = append(covered, 0, 0, 0, 0) // sequence
	covered = binary.BigEndian.AppendUint32(covered, uint32(m.count))
	covered = append(covered, m.records...)
	b := binary.BigEndian.AppendUint64(nil, uint64(m.base))
	b = binary.BigEndian.AppendUint32(b, uint32(9+len(covered)))
	b = append(b, 0, 0, 0, 7, 2) // leader's epoch, version
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(covered, crc32.MakeTable(crc32.Castagnoli)))
	return append(b, covered...)
}

// record returns a record without a key and headers.
func record(delta int64, value string) []byte {
	r := binary.AppendVarint([]byte{0, 0}, delta) // attributes, timestamp
	r = append(r, 1)                              // the length of the key, -1
	r = binary.AppendVarint(r, int64(len(value)))
	r = append(append(r, value...), 0)
	return append(binary.AppendVarint(nil, int64(len(r))), r...)
}

// ending returns a control record.
func ending(kind byte) []byte {
	r := []byte{0, 0, 0, 8, 0, 0, 0, kind, 12, 0, 0, 0, 0, 0, 7, 0}
	return append([]byte{byte(2 * len(r))}, r...)
}

func data(base, producer int64, value string) made {
	return made{base: base, attributes: transactional, producer: producer, count: 1, records: record(0, value)}
}

func end(base, producer int64, kind byte) made {
	return made{base: base, attributes: transactional | control, producer: producer, count: 1, records: ending(kind)}
}

func log(batches ...made) (all []byte) {
	for _, b := range batches {
		all = append(all, b.bytes()...)
	}
	return all
}

const abort, commit = 0, 1

func TestLogs(t *testing.T) {
	plain := made{base: 1, attributes: 0, producer: -1, epoch: -1, last: 1, count: 2, records: append(record(0, "x"), record(1, "y")...)}
	raised := end(1, 7, commit)
	raised.epoch = 1
	later := data(1, 7, "b")
	later.epoch = 2
	laterEnd := func(kind byte) made { e := end(2, 7, kind); e.epoch = 3; return e }
	emptied := made{base: 0, last: 4, producer: 7, attributes: transactional}
	holes := made{base: 0, last: 9, producer: -1, count: 2, records: append(record(3, "x"), record(7, "y")...)}
	for _, c := range []struct {
		name string
		log  []byte
		want []string
		open []committed.Transaction
	}{
		{"nothing", nil, nil, nil},
		{"committed", log(data(0, 7, "a"), end(1, 7, commit)), []string{"a"}, nil},
		{"aborted", log(data(0, 7, "a"), end(1, 7, abort)), nil, nil},
		{"one and the other", log(data(0, 7, "a"), end(1, 7, abort), data(2, 7, "b"), end(3, 7, commit)), []string{"b"}, nil},
		{"two producers", log(data(0, 7, "a"), data(1, 8, "b"), end(2, 7, abort), data(3, 7, "c"), end(4, 8, commit), end(5, 7, commit)), []string{"b", "c"}, nil},
		{"in the order of the log", log(data(0, 7, "a"), data(1, 8, "b"), end(2, 8, commit), end(3, 7, commit)), []string{"a", "b"}, nil},
		{"of no transaction behind one", log(data(0, 7, "a"), plain, end(3, 7, abort)), []string{"x", "y"}, nil},
		{"open", log(data(0, 7, "a"), plain), []string{"x", "y"}, []committed.Transaction{{Producer: 7, Records: 1}}},
		{"two are open", log(data(0, 9, "a"), data(1, 7, "b"), data(2, 9, "c")), nil,
			[]committed.Transaction{{Producer: 9, Records: 2}, {Offset: 1, Producer: 7, Records: 1}}},
		{"the end of nothing", log(end(0, 7, commit), data(1, 7, "a"), end(2, 7, commit)), []string{"a"}, nil},
		{"the epoch is raised at the end", log(data(0, 7, "a"), raised), []string{"a"}, nil},
		{"an end that was lost, and a commit", log(data(0, 7, "a"), later, laterEnd(commit)), []string{"a", "b"}, nil},
		{"an end that was lost, and an abort", log(data(0, 7, "a"), later, laterEnd(abort)), nil, nil},
		{"a batch that compaction emptied", log(emptied, data(5, 8, "a"), end(6, 8, commit)), []string{"a"}, nil},
		{"a batch with holes", log(holes, data(10, 8, "a"), end(11, 8, commit)), []string{"x", "y", "a"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			all, open, err := readLog(c.log)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(append([]string{}, c.want...), values(all)); diff != "" {
				t.Errorf("committed (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.open, open); diff != "" {
				t.Errorf("open (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLogsThatAreWrong(t *testing.T) {
	change := func(b made, f func(*made)) []byte { f(&b); return b.bytes() }
	a := data(0, 7, "a")
	fenced := data(1, 7, "b")
	fenced.epoch = -1
	lower := end(1, 7, commit)
	lower.epoch = -1
	for _, c := range []struct {
		name, want string
		log        []byte
	}{
		{"cut off", "cut off", a.bytes()[:40]},
		{"a length that is none", "shorter than its header", []byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05abcde")},
		{"another version", "format version 1", func() []byte { b := a.bytes(); b[16] = 1; return b }()},
		{"a wrong checksum", "checksum", func() []byte { b := a.bytes(); b[17]++; return b }()},
		{"more records than there are", "record 2 of 2", change(a, func(b *made) { b.count, b.last = 2, 1 })},
		{"fewer records than there are", "behind the last of 0 records", change(a, func(b *made) { b.count = 0 })},
		{"a record behind the batch's end", "offset 1 is not between", change(a, func(b *made) { b.records = record(1, "a") })},
		{"a record before the batch", "offset -1 is not between", change(a, func(b *made) { b.records = record(-1, "a") })},
		{"an offset twice", "offset 0 is not between", change(a, func(b *made) { b.count, b.last, b.records = 2, 1, append(record(0, "a"), record(0, "b")...) })},
		{"a record longer than the batch", "ends too early", change(a, func(b *made) { b.records = []byte{100, 0, 0} })},
		{"a record longer than its fields", "behind its last header", change(a, func(b *made) { b.records = []byte{14, 0, 0, 0, 1, 1, 0, 0} })},
		{"an unknown codec", "compression 5", change(a, func(b *made) { b.attributes |= 5 })},
		{"what is not compressed", "decompressing gzip", change(a, func(b *made) { b.attributes |= 1 })},
		{"a transaction of nobody", "no producer", change(a, func(b *made) { b.producer = -1 })},
		{"an offset that is negative", "up to offset", change(a, func(b *made) { b.base = -5 })},
		{"offsets that go back", "offset", log(data(0, 7, "a"), end(1, 7, commit), data(1, 7, "b"))},
		{"an unknown end", "type 4", end(0, 7, 4).bytes()},
		{"an end that is not transactional", "control batch", change(end(0, 7, 1), func(b *made) { b.attributes = control })},
		{"a write by one who was fenced", "epoch -1 into its transaction of epoch 0", log(a, fenced)},
		{"an end by one who was fenced", "epoch -1 ends", log(a, lower)},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := readLog(c.log)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

// A broker cuts its answer at the requested size.
func TestTheLastBatchOfAnAnswerMayBeCutOff(t *testing.T) {
	all := log(data(0, 7, "a"), end(1, 7, commit), data(2, 7, "b"))
	for n := len(log(data(0, 7, "a"), end(1, 7, commit))); n < len(all); n++ {
		var got []committed.Record
		_, next, err := committed.ReadLog(all[:n], func(r committed.Record) error { got = append(got, r); return nil })
		if err != nil || next != 2 || len(got) != 1 {
			t.Fatalf("after %d of %d bytes: got %d records, %d to go on from and %v, want 1 and 2", n, len(all), len(got), next, err)
		}
	}
}

func TestAnErrorOfTheCallerEndsIt(t *testing.T) {
	enough := errors.New("enough")
	calls := 0
	_, _, err := committed.ReadLog(log(data(0, 7, "a"), end(1, 7, commit), data(2, 7, "b"), end(3, 7, commit)), func(committed.Record) error {
		calls++
		return enough
	})
	if !errors.Is(err, enough) || calls != 1 {
		t.Errorf("got %v after %d calls, want its error after 1", err, calls)
	}
}
