package relp_test

import (
	"context"
	"fmt"
	"net"
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

// numbered makes n messages that differ, and as many strings.
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
