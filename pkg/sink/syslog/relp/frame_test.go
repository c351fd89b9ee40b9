package relp_test

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/sink/syslog/relp"
)

func TestFramesOfALibrelpServer(t *testing.T) {
	const offers = "200 OK\nrelp_version=0\nrelp_software=librelp,1.10.0,http://librelp.adiscon.com\ncommands=syslog\n"
	const stream = "1 rsp 94 " + offers + "\n2 rsp 6 200 OK\n999999999 rsp 0\n0 serverclose 0\n"
	want := []relp.Frame{
		{Number: 1, Command: "rsp", Data: offers}, {Number: 2, Command: "rsp", Data: "200 OK"},
		{Number: 999_999_999, Command: "rsp"}, {Command: "serverclose"},
	}
	for name, from := range map[string]io.Reader{
		"at once":      strings.NewReader(stream),
		"byte by byte": iotest.OneByteReader(strings.NewReader(stream)),
		"by halves":    iotest.HalfReader(strings.NewReader(stream)),
		"with the end": iotest.DataErrReader(strings.NewReader(stream)),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := relp.ReadAll(from)
			if diff := cmp.Diff(want, got); diff != "" || err != io.EOF {
				t.Errorf("got %v, and frames (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestTheLongestFrame(t *testing.T) {
	f := relp.Frame{Number: 999_999_999, Command: strings.Repeat("c", 32), Data: strings.Repeat("\n", relp.LongestData)}
	stream := strings.Repeat(fmt.Sprintf("%d %s %09d %s\n", f.Number, f.Command, len(f.Data), f.Data), 3)
	for name, from := range map[string]io.Reader{
		"at once":      strings.NewReader(stream),
		"byte by byte": iotest.OneByteReader(strings.NewReader(stream)),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := relp.ReadAll(from)
			if diff := cmp.Diff([]relp.Frame{f, f, f}, got); diff != "" || err != io.EOF {
				t.Errorf("got %v, and frames (-want +got):\n%s", err, diff)
			}
		})
	}
}

// Bytes that cannot become a frame are refused at the first wrong byte, without waiting
// for more.
func TestMalformedFrames(t *testing.T) {
	for _, tt := range []struct{ name, stream, names string }{
		{"no number", "x", "transaction number"},
		{"no number but a space", " ", "transaction number"},
		{"a negative number", "-", "transaction number"},
		{"ten digits", "1234567890", "end of the transaction number"},
		{"a line end for a number", "\n", "transaction number"},
		{"two spaces", "1  ", "command"},
		{"a tab for a space", "1\t", "end of the transaction number"},
		{"no command", "1 7", "command"},
		{"a command of 33 letters", "1 " + strings.Repeat("c", 33), "end of the command"},
		{"a digit in the command", "1 rsp2", "end of the command"},
		{"no length", "1 rsp x", "length"},
		{"ten digits of length", "1 rsp 0000000001", "data"},
		{"a line end in the header", "1 rsp\n", "end of the command"},
		{"more data than allowed", fmt.Sprintf("1 rsp %d ", relp.LongestData+1), "length"},
		{"a space without data", "1 rsp 0 ", "data"},
		{"a line end for data", "1 rsp 6\n", "data"},
		{"data longer than said", "1 rsp 6 200 OK?", "data"},
		{"an HTTP server", "HTTP/1.1 400 Bad Request", "transaction number"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			good := relp.Frame{Number: 1, Command: "rsp", Data: "200 OK"}
			// Further reads would return an unwanted error.
			from := io.MultiReader(strings.NewReader(relp.Encode(good)+tt.stream), iotest.ErrReader(io.ErrNoProgress))
			got, err := relp.ReadAll(from)
			if diff := cmp.Diff([]relp.Frame{good}, got); diff != "" {
				t.Errorf("frames before it (-want +got):\n%s", diff)
			}
			if err == nil || !strings.Contains(err.Error(), "malformed frame: "+tt.names) {
				t.Errorf("got %v, want a malformed frame: %s", err, tt.names)
			}
		})
	}
}

// The judge matches whole frames with a regular expression for the specification's
// grammar.
func FuzzFrames(f *testing.F) {
	for _, stream := range []string{
		"", "1 rsp 6 200 OK\n", "1 rsp 6 200 OK\n2 rsp 0\n0 serverclose 0\n", "01 rsp 006 200 OK\n", "1 rsp 3 \n\n\n\n",
		"1 rsp 0 \n", "1 rsp 6 200 OK", "1 rsp 6 200 OK\r\n", "1234567890 rsp 0\n", "1 r_p 0\n", "1 rsp 8193 ", "9 RsP 1  \n9",
	} {
		f.Add([]byte(stream), byte(len(stream)))
	}
	grammar := regexp.MustCompile(`^([0-9]{1,9}) ([a-zA-Z]{1,32}) ([0-9]{1,9})(\n| )`)
	f.Fuzz(func(t *testing.T, stream []byte, cut byte) {
		var want []relp.Frame
		left := stream
		for {
			m := grammar.FindSubmatch(left)
			if m == nil {
				break
			}
			number, _ := strconv.Atoi(string(m[1])) // The expression lets digits through alone.
			length, _ := strconv.Atoi(string(m[3]))
			rest := left[len(m[0]):]
			if length == 0 && string(m[4]) == "\n" {
				want, left = append(want, relp.Frame{Number: number, Command: string(m[2])}), rest
				continue
			}
			if length == 0 || string(m[4]) != " " || length > relp.LongestData || len(rest) <= length || rest[length] != '\n' {
				break
			}
			want, left = append(want, relp.Frame{Number: number, Command: string(m[2]), Data: string(rest[:length])}), rest[length+1:]
		}
		split := min(int(cut), len(stream))
		got, err := relp.ReadAll(io.MultiReader(bytes.NewReader(stream[:split]), bytes.NewReader(stream[split:])))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("frames (-want +got):\n%s", diff)
		}
		if ended := err == io.EOF; len(left) == 0 && !ended {
			t.Errorf("got %v, want the end", err)
		}
	})
}
