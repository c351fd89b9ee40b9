package relptest_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/sink/syslog/relp/relptest"
)

// recorder collects the failures that a server reports.
type recorder struct {
	testing.TB
	said []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

// client is the client's end of a connection, with everything that it sends.
type client struct {
	net.Conn
	says  io.Reader
	hears strings.Builder
}

func (c *client) Read(b []byte) (int, error)  { return c.says.Read(b) }
func (c *client) Write(b []byte) (int, error) { return c.hears.Write(b) }
func (c *client) Close() error                { return nil }

// exchange returns what the server sent, and the violations that it reported.
func exchange(s *relptest.Server, r *recorder, stream string) (answers string, said []string) {
	c := &client{says: strings.NewReader(stream)}
	s.Serve(c)
	return c.hears.String(), r.said
}

const open = "1 open 30 relp_version=0\ncommands=syslog\n"

func TestWhatAClientMustNotDo(t *testing.T) {
	for _, tt := range []struct{ name, stream, says string }{
		{"nothing", "", ""},
		{"breaking off", open + "2 syslog 5 he", ""},
		{"breaking off in a header", open + "2 sys", ""},
		{"a message without bytes", open + "2 syslog 0\n3 syslog 1 x\n", ""},
		{"no open", "1 syslog 2 hi\n", "syslog as transaction 1"},
		{"a second open", open + "2 open 30 relp_version=0\ncommands=syslog\n", "open as transaction 2"},
		{"an open that is not the first", "2 open 30 relp_version=0\ncommands=syslog\n", "transaction 2, want 1"},
		{"no version", "1 open 15 commands=syslog\n", "open without the offer relp_version=0"},
		{"no commands", "1 open 14 relp_version=0\n", "open without the offer commands=syslog"},
		{"a number twice", open + "2 syslog 2 hi\n2 syslog 2 hi\n", "transaction 2, want 3"},
		{"a number left out", open + "3 syslog 2 hi\n", "transaction 3, want 2"},
		{"a hint", open + "0 syslog 2 hi\n", "transaction 0, want 2"},
		{"a number with a zero before it", open + "02 syslog 2 hi\n", "frame begins with"},
		{"another command", open + "2 eventlog 2 hi\n", `command "eventlog"`},
		{"data of close", open + "2 close 2 hi\n", "close with data"},
		{"a space without data", open + "2 syslog 0 \n", "frame begins with"},
		{"no space before data", open + "2 syslog 2\nhi\n", "frame begins with"},
		{"data longer than said", open + "2 syslog 2 hi!\n", `byte '!' after the data of transaction 2`},
		{"data that no server takes", open + "2 syslog 131073 x", "has 131073 bytes of data"},
		{"a command behind close", open + "2 close 0\n3 syslog 2 hi\n", `byte '3' after close`},
		{"another protocol", "GET / HTTP/1.1\r\n", "frame begins with"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &recorder{TB: t}
			_, said := exchange(relptest.New(r), r, tt.stream)
			switch {
			case tt.says == "" && len(said) > 0:
				t.Errorf("got %q, want nothing", said)
			case tt.says != "" && (len(said) != 1 || !strings.Contains(said[0], tt.says)):
				t.Errorf("got %q, want %q", said, tt.says)
			}
		})
	}
}

func TestCommandsWithoutAnswersAreCounted(t *testing.T) {
	r := &recorder{TB: t}
	s := relptest.New(r)
	s.Window = 2
	s.Script = func(c relptest.Command) relptest.Fault { return relptest.Fault{Silent: c.N == 2, Hold: c.N == 3} }
	_, said := exchange(s, r, open+"2 syslog 1 a\n3 syslog 1 b\n4 syslog 1 c\n")
	if want := []string{"RELP client: command after 2 unanswered ones"}; !cmp.Equal(want, said) {
		t.Errorf("got %q, want %q", said, want)
	}
}

func TestAnswers(t *testing.T) {
	r := &recorder{TB: t}
	s := relptest.New(r)
	s.Script = func(c relptest.Command) relptest.Fault {
		return map[string]relptest.Fault{"refused": {Status: 500}, "late": {Hold: true}, "odd": {Raw: "x"}}[c.Message]
	}
	stream := open
	for i, m := range []string{"fine", "refused", "late", "later", "odd"} {
		stream += fmt.Sprintf("%d syslog %d %s\n", i+2, len(m), m)
	}
	answers, said := exchange(s, r, stream+"7 close 0\n")
	if len(said) > 0 {
		t.Errorf("it found fault: %q", said)
	}
	if diff := cmp.Diff([]string{"fine", "late", "later", "odd"}, s.Messages()); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	const want = "1 rsp 60 200 OK\nrelp_version=0\nrelp_software=relptest\ncommands=syslog\n" +
		"2 rsp 6 200 OK\n3 rsp 25 500 refused by the script\n5 rsp 6 200 OK\n4 rsp 6 200 OK\nx7 rsp 0\n0 serverclose 0\n"
	if diff := cmp.Diff(want, answers); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

// TestAbort uses a server that ends the connection over a message: the answer to the
// message before it, which came in the same read, is lost too.
func TestAbort(t *testing.T) {
	for _, tt := range []struct {
		fault   relptest.Fault
		answers string
	}{
		{relptest.Fault{Abort: true}, ""},
		{relptest.Fault{Abort: true, Hint: true}, "0 serverclose 0\n"},
	} {
		r := &recorder{TB: t}
		s := relptest.New(r)
		s.Script = func(c relptest.Command) relptest.Fault {
			if c.Message == "bad" {
				return tt.fault
			}
			return relptest.Fault{}
		}
		answers, said := exchange(s, r, open+"2 syslog 4 good\n3 syslog 3 bad\n4 syslog 4 next\n")
		if len(said) > 0 || answers != tt.answers {
			t.Errorf("got answers %q and %q, want %q", answers, said, tt.answers)
		}
		if diff := cmp.Diff([]string{"good"}, s.Messages()); diff != "" {
			t.Errorf("messages (-want +got):\n%s", diff)
		}
	}
}

func TestAScriptEndsTheConnection(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault relptest.Fault
		ends  string
	}{
		{"without an answer", relptest.Fault{Close: true}, "commands=syslog\n"},
		{"behind an answer", relptest.Fault{Close: true, Status: 500}, "2 rsp 25 500 refused by the script\n"},
		{"with a hint", relptest.Fault{Hint: true}, "2 rsp 6 200 OK\n0 serverclose 0\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &recorder{TB: t}
			s := relptest.New(r)
			s.Script = func(c relptest.Command) relptest.Fault {
				if c.N == 2 {
					return tt.fault
				}
				return relptest.Fault{}
			}
			answers, said := exchange(s, r, open+"2 syslog 2 hi\n3 syslog 2 ho\n")
			if len(said) > 0 || !strings.HasSuffix(answers, tt.ends) {
				t.Errorf("got answers %q and %q, want an end in %q", answers, said, tt.ends)
			}
		})
	}
}
