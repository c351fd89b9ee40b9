package relp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink/syslog/relp/relptest"
)

const (
	roundTrip = 5 * time.Millisecond
	page      = 100 // events that the API lists at once
	ofBytes   = 1000
)

// far returns the address of a proxy to a server, which adds a round trip.
func far(tb testing.TB, server string) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := l.Close(); err != nil {
			tb.Error(err)
		}
	})
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return // The listener was closed.
			}
			behind, err := net.Dial("tcp", server)
			if err != nil {
				tb.Error(err)
				return
			}
			go carry(near, behind)
			go carry(behind, near)
		}
	}()
	return l.Addr().String()
}

// carry copies bytes with a delay of half a round trip.
func carry(to, from net.Conn) {
	type parcel struct {
		bytes []byte
		due   time.Time
	}
	way := make(chan parcel, 4096)
	go func() {
		for p := range way {
			<-time.After(time.Until(p.due))
			if _, err := to.Write(p.bytes); err != nil {
				break // The other side notices, too.
			}
		}
		_ = to.Close() // It may be closed already.
		for range way {
		}
	}()
	for {
		b := make([]byte, 64<<10)
		n, err := from.Read(b)
		way <- parcel{b[:n], time.Now().Add(roundTrip / 2)}
		if err != nil {
			close(way)
			return
		}
	}
}

// naive is a simple client: it sends a page of messages, then waits for their answers.
type naive struct {
	conn net.Conn
	in   *bufio.Reader
	last int
	size int // messages before it waits
}

func dialNaive(tb testing.TB, address string, size int) *naive {
	tb.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		tb.Fatal(err)
	}
	n := &naive{conn: conn, in: bufio.NewReader(conn), size: size}
	const offers = "relp_version=0\nrelp_software=naive\ncommands=syslog"
	if err := errors.Join(n.write("open", offers), n.await("\ncommands=syslog\n")); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := conn.Close(); err != nil {
			tb.Error(err)
		}
	})
	return n
}

func (n *naive) write(command, content string) error {
	n.last++
	_, err := fmt.Fprintf(n.conn, "%d %s %d %s\n", n.last, command, len(content), content)
	return err
}

// await reads up to the end of an answer.
func (n *naive) await(end string) error {
	for text := ""; !strings.HasSuffix(text, end); {
		line, err := n.in.ReadString('\n')
		if err != nil {
			return err
		}
		text += line
	}
	return nil
}

func (n *naive) send(messages [][]byte) error {
	for len(messages) > 0 {
		some := messages[:min(n.size, len(messages))]
		messages = messages[len(some):]
		for _, m := range some {
			if err := n.write("syslog", string(m)); err != nil {
				return err
			}
		}
		for range some {
			if err := n.await(" 200 OK\n"); err != nil {
				return err
			}
		}
	}
	return nil
}

func sized(n int) [][]byte {
	messages := make([][]byte, n)
	for i := range messages {
		messages[i] = fmt.Appendf(nil, "<110>1 - - - - - - %0*d", ofBytes-19, i)
	}
	return messages
}

// clients are the functions that are compared, by name.
func clients(tb testing.TB, address string) map[string]func([][]byte) error {
	s := dial(tb, address)
	tb.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	return map[string]func([][]byte) error{
		"session": func(messages [][]byte) error {
			_, err := s.Send(tb.Context(), messages)
			return err
		},
		"naive by page":    dialNaive(tb, address, page).send,
		"naive by message": dialNaive(tb, address, 1).send,
	}
}

func BenchmarkSend(b *testing.B) {
	for name, send := range clients(b, far(b, relptest.New(b).Listen())) {
		b.Run(name, func(b *testing.B) {
			messages := sized(10_000)
			b.SetBytes(ofBytes)
			b.ResetTimer()
			for left := b.N; left > 0; left -= len(messages) {
				if err := send(messages[:min(left, len(messages))]); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}
