package relp_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/sink/syslog/relp"
	"github.com/sluice-siem/sluice/pkg/sink/syslog/relp/relptest"
)

// dial opens a session with the server at an address.
func dial(t testing.TB, address string) *relp.Session {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s, err := relp.Open(within(t, 10*time.Second), conn)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// numbered makes n different messages, as bytes and as strings.
func numbered(n int) (messages [][]byte, texts []string) {
	for i := range n {
		texts = append(texts, fmt.Sprintf("<110>1 - - - - - - message %d", i))
		messages = append(messages, []byte(texts[i]))
	}
	return messages, texts
}

func TestMessagesArriveInOrder(t *testing.T) {
	server := relptest.New(t)
	s := dial(t, server.Listen())
	messages, texts := numbered(3*relp.Window + 7)
	for _, batch := range [][][]byte{messages[:1], messages[1:1], messages[1:relp.Window], messages[relp.Window:]} {
		if acked, err := s.Send(within(t, 10*time.Second), batch); acked != len(batch) || err != nil {
			t.Fatalf("got %d answers and %v, want %d", acked, err, len(batch))
		}
	}
	if err := s.Close(within(t, 10*time.Second)); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(texts, server.Messages()); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

// Data may be any bytes. Without data there is no space either; the server checks that.
func TestBytesStayTheSame(t *testing.T) {
	texts := []string{"", "\n", "2 syslog 2 hi\n", " ", "\x00\xff\r\n", strings.Repeat("é", 40_000), ""}
	var messages [][]byte
	for _, text := range texts {
		messages = append(messages, []byte(text))
	}
	server := relptest.New(t)
	s := dial(t, server.Listen())
	if acked, err := s.Send(within(t, 10*time.Second), messages); acked != len(messages) || err != nil {
		t.Errorf("got %d answers and %v", acked, err)
	}
	if diff := cmp.Diff(texts, server.Messages()); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	if err := s.Close(within(t, 10*time.Second)); err != nil {
		t.Error(err)
	}
}

// After 999,999,999 transactions the numbers start at 1 again.
func TestNumbersStartAgain(t *testing.T) {
	client, far := net.Pipe()
	numbers := make(chan []int, 1)
	go func() { numbers <- answerAll(t, far) }()
	s, err := relp.Open(within(t, 10*time.Second), client)
	if err != nil {
		t.Fatal(err)
	}
	s.Skip(999_999_995)
	messages, _ := numbered(7)
	if acked, err := s.Send(within(t, 10*time.Second), messages); acked != len(messages) || err != nil {
		t.Errorf("got %d answers and %v", acked, err)
	}
	if err := s.Close(within(t, 10*time.Second)); err != nil {
		t.Error(err)
	}
	want := []int{1, 999_999_997, 999_999_998, 999_999_999, 1, 2, 3, 4, 5}
	if diff := cmp.Diff(want, <-numbers); diff != "" {
		t.Errorf("transactions (-want +got):\n%s", diff)
	}
}

// answerAll answers every command, whatever its number, and returns the numbers.
func answerAll(t *testing.T, conn net.Conn) (numbers []int) {
	for in := bufio.NewReader(conn); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			return numbers // The client closed the connection.
		}
		var number int
		var command string
		if n, _ := fmt.Sscan(line, &number, &command); n < 2 {
			continue // the second and third line of the offers
		}
		numbers = append(numbers, number)
		content := "200 OK\nrelp_version=0\ncommands=syslog"
		if _, err := fmt.Fprintf(conn, "%d rsp %d %s\n", number, len(content), content); err != nil {
			t.Error(err)
			return numbers
		}
	}
}

// counted is a connection that counts writes.
type counted struct {
	net.Conn
	writes int
}

func (c *counted) Write(b []byte) (int, error) {
	c.writes++
	return c.Conn.Write(b)
}

func TestAWindowTakesFewWrites(t *testing.T) {
	conn, err := net.Dial("tcp", relptest.New(t).Listen())
	if err != nil {
		t.Fatal(err)
	}
	c := &counted{Conn: conn}
	s, err := relp.Open(within(t, 10*time.Second), c)
	if err != nil {
		t.Fatal(err)
	}
	messages, _ := numbered(relp.Window)
	before := c.writes
	if _, err := s.Send(within(t, 10*time.Second), messages); err != nil {
		t.Fatal(err)
	}
	if got := c.writes - before; got > 3 {
		t.Errorf("a window of about 100 KiB took %d writes, want at most 3", got)
	}
	if err := s.Close(within(t, 10*time.Second)); err != nil {
		t.Error(err)
	}
}
