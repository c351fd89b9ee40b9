//go:build integration

package cef_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/transform/cef/ceftest"
	"github.com/sluice-siem/sluice/pkg/transform/internal/corpus"
)

// TestLiblognormReadsTheSame requires that liblognorm, rsyslog's parser of CEF, reads the
// same values from every record of the corpus as the strict parser.
func TestLiblognormReadsTheSame(t *testing.T) {
	cases := corpus.Cases()
	var lines bytes.Buffer
	for _, c := range cases {
		lines.WriteString(spaced(string(encode(t, usual, c.Event).Body)) + "\n")
	}
	read := json.NewDecoder(bytes.NewReader(normalize(t, lines.Bytes())))
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			var got normalized
			if err := read.Decode(&got); err != nil {
				t.Fatal(err)
			}
			want := parse(t, usual, c.Event)
			want.Keys = nil // Objects have no order.
			if diff := cmp.Diff(want, got.message(t)); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
	if read.More() {
		t.Error("liblognorm wrote more messages than it got lines")
	}
}

// normalized is what lognormalizer writes for a line.
type normalized struct {
	Unparsed string `json:"unparsed-data"`
	F        struct {
		DeviceVendor, DeviceProduct, DeviceVersion, SignatureID, Name, Severity string
		Extensions                                                              map[string]string
	}
}

func (n normalized) message(t *testing.T) ceftest.Message {
	t.Helper()
	if n.Unparsed != "" {
		t.Fatalf("not parsed from %.200q on", n.Unparsed)
	}
	severity, err := strconv.Atoi(n.F.Severity)
	if err != nil {
		t.Fatal(err)
	}
	return ceftest.Message{
		Vendor: n.F.DeviceVendor, Product: n.F.DeviceProduct, Version: n.F.DeviceVersion,
		ClassID: n.F.SignatureID, Name: n.F.Name, Severity: severity, Extension: n.F.Extensions,
	}
}

// spaced adds a space after the seventh pipe, because liblognorm (2.0.6) skips one
// character there.
func spaced(line string) string {
	pipes := 0
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case '|':
			if pipes++; pipes == 7 {
				return line[:i+1] + " " + line[i+1:]
			}
		}
	}
	return line
}

func normalize(t *testing.T, lines []byte) []byte {
	t.Helper()
	if _, err := exec.LookPath("lognormalizer"); err != nil {
		t.Fatalf("install the Debian package liblognorm-utils: %v", err)
	}
	rules := filepath.Join(t.TempDir(), "rules")
	if err := os.WriteFile(rules, []byte("version=2\nrule=:%f:cef%\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("lognormalizer", "-r", rules, "-e", "json")
	cmd.Stdin = bytes.NewReader(lines)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("lognormalizer: %v: %s", err, stderr.String())
	}
	return out
}
