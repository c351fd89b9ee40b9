package file_test

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/file"
)

// readBack returns the lines of the files of two lanes, in the order of their places.
func readBack(t *testing.T, path string, log *bytes.Buffer) (lines []string, err error) {
	t.Helper()
	s := &file.Settings{Path: path}
	lanes := []sink.Env{{Source: "acme", Log: zerolog.New(log)}, {Source: "globex", Log: zerolog.New(log)}}
	err = s.ReadBack(t.Context(), lanes, sink.Access{}, func(r sink.Stored) error {
		lines = append(lines, filepath.Base(r.Place)+":"+string(rune('0'+r.Line))+":"+string(r.Body))
		return nil
	})
	slices.Sort(lines)
	return lines, err
}

func keep(t *testing.T, path, text string) {
	t.Helper()
	if strings.HasSuffix(path, ".gz") {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		_, err := w.Write([]byte(text))
		if err != nil || w.Close() != nil {
			t.Fatal(err)
		}
		text = packed.String()
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestReadBack(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"acme.ndjson":                         "7\n8\n9", // torn
		"acme-20260102T030405.000Z.ndjson":    "1\n2\n",
		"acme-20260103T030405.000Z.ndjson.gz": "3\n",
		"acme.ndjson.1":                       "6\n",
		"acme.ndjson.2.gz":                    "5\n",
		"acme.ndjson-20260104":                "4\n",
		"acme-20260105.ndjson.gz":             "4b\n\n4c\n",
		"globex.ndjson":                       "g\n",
		"acme.ndjson.bak":                     "no\n",
		"acme-eu.ndjson":                      "no\n",
		"acmexndjson":                         "no\n",
	} {
		keep(t, filepath.Join(dir, name), text)
	}
	got, err := readBack(t, filepath.Join(dir, "{source}.ndjson"), new(bytes.Buffer))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"acme-20260102T030405.000Z.ndjson:1:1", "acme-20260102T030405.000Z.ndjson:2:2", "acme-20260103T030405.000Z.ndjson.gz:1:3",
		"acme-20260105.ndjson.gz:1:4b", "acme-20260105.ndjson.gz:3:4c", "acme.ndjson-20260104:1:4",
		"acme.ndjson.1:1:6", "acme.ndjson.2.gz:1:5", "acme.ndjson:1:7", "acme.ndjson:2:8", "acme.ndjson:3:9", "globex.ndjson:1:g",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The files that the sink rotated itself are read.
func TestReadsBackWhatTheSinkRotated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.ndjson")
	snk := open(t, file.Type, func(s *file.Settings) { s.Path, s.MaxBytes = path, 10 })
	publish(t, snk, "1234", "567")
	publish(t, snk, "8")
	got, err := readBack(t, path, new(bytes.Buffer))
	if err != nil || len(got) != 3 || !strings.HasSuffix(got[2], ":8") {
		t.Errorf("got %q, %v, want three lines", got, err)
	}
}

// What is damaged is told, and the rest is read.
func TestReadBackOfADamagedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.ndjson")
	keep(t, path, "2\n")
	keep(t, path+".1.gz", "1\n")
	packed, err := os.ReadFile(path + ".1.gz")
	if err != nil {
		t.Fatal(err)
	}
	keep(t, path+".1", string(packed)) // not compressed twice
	if err := os.Rename(path+".1", path+".1.gz"); err != nil || os.Truncate(path+".1.gz", 15) != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	got, err := readBack(t, path, &log)
	if err != nil || !slices.Contains(got, "audit.ndjson:1:2") || !strings.Contains(log.String(), "damaged") {
		t.Errorf("got %q, %v, log %s", got, err, log.String())
	}
}

func TestReadBackOfWhatCannotBeRead(t *testing.T) {
	for name, path := range map[string]string{"no file": filepath.Join(t.TempDir(), "audit.ndjson"), "a device": os.DevNull} {
		if _, err := readBack(t, path, new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want an error that names it", name, err)
		}
	}
}
