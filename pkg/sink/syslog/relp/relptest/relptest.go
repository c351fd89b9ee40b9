// Package relptest is a RELP server for tests. It is strict: whatever the
// protocol forbids fails the test, also where rsyslog would let it pass. It shares
// no code with the client it judges, and does wrong what a script tells it to.
//
// It does not speak TLS (wrap the listener), knows no command but syslog, and
// answers in the order of the commands unless it is told otherwise.
package relptest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Command is what a client asked of the server: open, syslog or close.
type Command struct {
	N       int // counts the commands of all connections, from 1 on
	Number  int // of the transaction
	Name    string
	Message string
}

// Fault is what the server does about a command besides taking it and answering
// 200. The zero Fault is nothing.
type Fault struct {
	Delay  time.Duration // before it goes on
	Status int           // is answered instead of 200, and the message is not taken
	Raw    string        // is sent instead of the answer
	Hint   bool          // serverclose is sent, and the connection closed, after the answer
	Silent bool          // there is no answer
	Close  bool          // the connection is closed, without an answer unless there is Raw or a Status
	Abort  bool          // the message is not taken; the connection is closed, after serverclose if Hint is set, and answers that were not sent are lost
	Hold   bool          // the answer is sent behind the next that is not held
}

// Server takes messages. Its fields are set before the first connection.
type Server struct {
	// Script is asked about every command, if it is set, by one connection at a time.
	Script func(Command) Fault
	// Window is how many commands may lack their answers at once; default any, since
	// the protocol leaves it to the client.
	Window int

	tb testing.TB

	mu       sync.Mutex
	commands int
	messages []string
}

// New returns a server without a listener: serve what connections there are.
func New(tb testing.TB) *Server { return &Server{tb: tb} }

// Listen serves a port of the loopback interface until the test ends, and returns
// its address.
func (s *Server) Listen() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.tb.Fatal(err)
	}
	s.Accept(l)
	return l.Addr().String()
}

// Accept serves a listener, which it closes with all connections when the test
// ends.
func (s *Server) Accept(l net.Listener) {
	var serving sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	closed := false
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // The listener was closed.
			}
			mu.Lock()
			open = append(open, conn)
			if closed {
				_ = conn.Close()
			}
			mu.Unlock()
			serving.Go(func() { s.Serve(conn) })
		}
	})
	s.tb.Cleanup(func() {
		if err := l.Close(); err != nil {
			s.tb.Error(err)
		}
		mu.Lock()
		closed = true
		for _, conn := range open {
			_ = conn.Close() // It may be closed already.
		}
		mu.Unlock()
		serving.Wait()
	})
}

// Messages are those that were taken, in the order of their arrival.
func (s *Server) Messages() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// Serve serves one connection until its end. What the client does wrong fails the
// test and ends the connection; that it breaks off is not wrong.
func (s *Server) Serve(conn net.Conn) {
	c := &connection{server: s, conn: conn, in: bufio.NewReader(conn), out: bufio.NewWriter(conn)}
	err := c.serve()
	_ = conn.Close() // The client may have been the first.
	var wrong violation
	if errors.As(err, &wrong) {
		s.tb.Errorf("RELP client: %v", err)
	}
}

// violation is what a client must not do.
type violation struct{ error }

func violated(format string, args ...any) error {
	return violation{fmt.Errorf(format, args...)}
}

// errEnd says that a script ended the connection.
var errEnd = errors.New("connection is to end")

// take counts a command and asks the script about it.
func (s *Server) take(number int, name, message string) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commands++
	var f Fault
	if s.Script != nil {
		f = s.Script(Command{s.commands, number, name, message})
	}
	if name == "syslog" && f.Status == 0 && !f.Abort {
		s.messages = append(s.messages, message)
	}
	return f
}

type connection struct {
	server *Server
	conn   net.Conn
	in     *bufio.Reader
	out    *bufio.Writer
	last   int      // transaction
	held   []string // answers to be sent behind the next
	silent int      // commands that were not answered
}

func (c *connection) serve() error {
	for {
		// What was answered is sent when there is nothing more to read at once.
		if c.in.Buffered() == 0 {
			if err := c.out.Flush(); err != nil {
				return err
			}
		}
		number, name, message, err := readCommand(c.in)
		if err == nil {
			err = c.check(number, name, message)
		}
		if err == nil {
			err = c.answer(number, name, c.server.take(number, name, message))
		}
		if err == nil && name == "close" {
			err = c.awaitEnd()
		}
		if err != nil {
			return errors.Join(err, c.out.Flush())
		}
	}
}

// check holds a command against those before it.
func (c *connection) check(number int, name, message string) error {
	want := c.last + 1
	if c.last == 999_999_999 {
		want = 1
	}
	first := c.last == 0
	c.last = number
	switch {
	case number != want:
		return violated("transaction %d, want %d", number, want)
	case first != (name == "open"):
		return violated("%s as transaction %d", name, number)
	case c.server.Window > 0 && c.silent+len(c.held) >= c.server.Window:
		return violated("command with %d before it that were not answered", c.silent+len(c.held))
	case name == "open":
		return checkOffers(message)
	case name == "close" && message != "":
		return violated("close with data %q", message)
	case name != "syslog" && name != "close":
		return violated("command %q", name)
	}
	return nil
}

func checkOffers(offers string) error {
	lines := strings.Split(offers, "\n")
	for _, want := range []string{"relp_version=0", "commands=syslog"} {
		if !slices.Contains(lines, want) {
			return violated("open without the offer %s: %q", want, offers)
		}
	}
	return nil
}

func (c *connection) answer(number int, name string, f Fault) error {
	if f.Abort {
		return c.abort(f.Hint)
	}
	if f.Delay > 0 {
		if err := c.out.Flush(); err != nil {
			return err
		}
		<-time.After(f.Delay)
	}
	text := answers(number, name, f)
	switch {
	case f.Hold:
		c.held = append(c.held, text)
		return nil
	case text == "":
		c.silent++
	}
	for _, t := range append([]string{text}, c.held...) {
		if _, err := c.out.WriteString(t); err != nil {
			return err
		}
	}
	c.held = nil
	if f.Close || f.Hint {
		return errEnd
	}
	return nil
}

// abort ends the connection over a message, as librelp does with the hint.
func (c *connection) abort(hint bool) error {
	c.out.Reset(c.conn)
	if hint {
		if _, err := c.out.WriteString(frame(0, "serverclose", "")); err != nil {
			return err
		}
	}
	return errEnd
}

// answers is all that is sent about a command.
func answers(number int, name string, f Fault) string {
	text := ""
	switch {
	case f.Raw != "":
		text = f.Raw
	case f.Status != 0:
		text = frame(number, "rsp", fmt.Sprintf("%d refused by the script", f.Status))
	case f.Silent || f.Close:
	case name == "open":
		text = frame(number, "rsp", "200 OK\nrelp_version=0\nrelp_software=relptest\ncommands=syslog")
	case name == "close": // as librelp does
		text = frame(number, "rsp", "") + frame(0, "serverclose", "")
	default:
		text = frame(number, "rsp", "200 OK")
	}
	if f.Hint {
		text += frame(0, "serverclose", "")
	}
	return text
}

func frame(number int, name, content string) string {
	if content == "" {
		return fmt.Sprintf("%d %s 0\n", number, name)
	}
	return fmt.Sprintf("%d %s %d %s\n", number, name, len(content), content)
}

// awaitEnd waits for the client to close the connection after its close.
func (c *connection) awaitEnd() error {
	if err := c.out.Flush(); err != nil {
		return err
	}
	if b, err := c.in.ReadByte(); err == nil {
		return violated("byte %q after close", b)
	}
	return io.EOF
}
