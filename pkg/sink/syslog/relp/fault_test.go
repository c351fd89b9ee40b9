package relp_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/sink/syslog/relp"
	"github.com/sluice-siem/sluice/pkg/sink/syslog/relp/relptest"
)

// connect opens a session over a connection in memory, in a synctest bubble.
func connect(t testing.TB, server *relptest.Server) *relp.Session {
	t.Helper()
	s, err := relp.Open(t.Context(), serve(t, server))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serve returns a connection to the server. The test waits until the server has ended.
func serve(t testing.TB, server *relptest.Server) net.Conn {
	t.Helper()
	client, far := net.Pipe()
	served := make(chan struct{})
	go func() {
		server.Serve(far)
		close(served)
	}()
	t.Cleanup(func() { <-served })
	return client
}

// atMessage lets a fault happen at the nth message.
func atMessage(n int, f relptest.Fault) func(relptest.Command) relptest.Fault {
	return func(c relptest.Command) relptest.Fault {
		if c.N == n+1 { // open is the first command
			return f
		}
		return relptest.Fault{}
	}
}

const each = 100 // messages sent where the third meets a fault

func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		name           string
		fault          relptest.Fault
		fewest, utmost int // answered
		says           string
	}{
		{"a refusal", relptest.Fault{Status: 500}, 2, 2, `transaction 4: server answered 500 "refused by the script"`},
		{"a status that is neither", relptest.Fault{Status: 201}, 2, 2, "server answered 201"},
		{"garbage", relptest.Fault{Raw: "HTTP/1.1 400\n"}, 2, 2, "malformed frame"},
		{"an answer without a status", relptest.Fault{Raw: "4 rsp 2 OK\n"}, 2, 2, `transaction 4: malformed answer "OK"`},
		{"an answer of which the status is not a number", relptest.Fault{Raw: "4 rsp 6 2OO OK\n"}, 2, 2, "malformed answer"},
		{"an answer of which the status has four digits", relptest.Fault{Raw: "4 rsp 7 0200 OK\n"}, 2, 2, "malformed answer"},
		{"an empty answer", relptest.Fault{Raw: "4 rsp 0\n"}, 2, 2, "malformed answer"},
		{"a second answer to another", relptest.Fault{Raw: "3 rsp 6 200 OK\n"}, 2, 2, "answer to transaction 3, which does not wait"},
		{"an answer to what was not sent", relptest.Fault{Raw: "102 rsp 6 200 OK\n"}, 2, 2, "answer to transaction 102"},
		{"an answer to a hint", relptest.Fault{Raw: "0 rsp 6 200 OK\n"}, 2, 2, "answer to transaction 0"},
		{"two answers out of order and one twice", relptest.Fault{Raw: "6 rsp 6 200 OK\n6 rsp 6 200 OK\n"}, 2, 2, "second answer to transaction 6"},
		{"an answer too long to be one", relptest.Fault{Raw: "4 rsp 99999999 200"}, 2, 2, "more than 8192"},
		{"a command", relptest.Fault{Raw: "4 syslog 2 hi\n"}, 2, 2, `server sent the command "syslog"`},
		{"a hint that the server closes", relptest.Fault{Hint: true}, 3, 3, "server closes the session"},
		// Either a read or a write fails first.
		{"a closed connection", relptest.Fault{Close: true}, 0, 2, ""},
		{"half an answer before a closed connection", relptest.Fault{Raw: "4 rsp 6 20", Close: true}, 0, 2, ""},
		{"no answer", relptest.Fault{Silent: true}, 2, 2, context.DeadlineExceeded.Error()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := relptest.New(t)
				server.Script = atMessage(3, tt.fault)
				s := connect(t, server)
				messages, texts := numbered(each)
				began := time.Now()
				acked, err := s.Send(within(t, time.Minute), messages)
				if acked < tt.fewest || acked > tt.utmost || err == nil || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("got %d answered and %v, want %d to %d and %q", acked, err, tt.fewest, tt.utmost, tt.says)
				}
				if took := time.Since(began); took > 0 && !tt.fault.Silent || took > time.Minute {
					t.Errorf("it took %v", took)
				}
				if taken := server.Messages(); len(taken) < acked || !cmp.Equal(texts[:acked], taken[:acked]) {
					t.Errorf("%d were answered, %d taken", acked, len(taken))
				}
				wantOver(t, s, tt.says)
			})
		})
	}
}

// wantOver checks that a session that ended can only be closed.
func wantOver(t *testing.T, s *relp.Session, says string) {
	t.Helper()
	if err := s.Err(); err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("Err: got %v, want %q", err, says)
	}
	messages, _ := numbered(1)
	if acked, err := s.Send(t.Context(), messages); acked != 0 || err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("Send after the end: got %d and %v, want 0 and %q", acked, err, says)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Errorf("Close after the end: %v", err)
	}
}

func TestARefusalIsATypedError(t *testing.T) {
	server := relptest.New(t)
	server.Script = atMessage(1, relptest.Fault{Status: 500})
	s := dial(t, server.Listen())
	messages, _ := numbered(1)
	_, err := s.Send(within(t, 10*time.Second), messages)
	var got *relp.Refusal
	if want := (&relp.Refusal{Status: 500, Text: "refused by the script"}); !errors.As(err, &got) || *got != *want {
		t.Errorf("got %v, want %v", err, want)
	}
	if err := s.Close(within(t, 10*time.Second)); err != nil {
		t.Error(err)
	}
}

func TestOpening(t *testing.T) {
	const good = "200 OK\nrelp_version=0\ncommands=syslog"
	for _, tt := range []struct {
		name  string
		fault relptest.Fault
		says  string // empty: it opens
	}{
		{"all offers accepted", relptest.Fault{Raw: rsp(1, good)}, ""},
		{"with a line end behind the last", relptest.Fault{Raw: rsp(1, good+"\n")}, ""},
		{"with commands besides", relptest.Fault{Raw: rsp(1, "200\nrelp_version=1\ncommands=eventlog,syslog")}, ""},
		{"no version", relptest.Fault{Raw: rsp(1, "200 OK\ncommands=syslog")}, "no relp_version"},
		{"no commands", relptest.Fault{Raw: rsp(1, "200 OK\nrelp_version=0")}, "does not offer the command syslog"},
		{"other commands", relptest.Fault{Raw: rsp(1, "200 OK\nrelp_version=0\ncommands=syslogd,eventlog")}, "does not offer the command syslog"},
		{"nothing accepted", relptest.Fault{Raw: rsp(1, "200 OK")}, "no relp_version"},
		{"an empty answer", relptest.Fault{Raw: rsp(1, "")}, "malformed answer"},
		{"a refusal", relptest.Fault{Status: 500}, "server answered 500"},
		{"an answer to another", relptest.Fault{Raw: rsp(2, good)}, "answer to transaction 2"},
		{"a hint that the server closes", relptest.Fault{Raw: "0 serverclose 0\n"}, "serverclose"},
		{"more than an answer", relptest.Fault{Raw: rsp(1, good) + rsp(2, "200 OK")}, "and 1 more"},
		{"another protocol", relptest.Fault{Raw: "220 mail.example.com ESMTP\r\n"}, "malformed frame"},
		{"a closed connection", relptest.Fault{Close: true}, "EOF"},
		{"no answer", relptest.Fault{Silent: true}, context.DeadlineExceeded.Error()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := relptest.New(t)
				server.Script = atMessage(0, tt.fault)
				client := serve(t, server)
				s, err := relp.Open(within(t, time.Minute), client)
				if tt.says == "" {
					if err != nil {
						t.Fatal(err)
					}
					wantArrival(t, server, s)
					return
				}
				if err == nil || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("got %v, want %q", err, tt.says)
				}
				if _, err := client.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
					t.Errorf("the connection was left open: %v", err)
				}
			})
		})
	}
}

func rsp(number int, content string) string {
	return relp.Encode(relp.Frame{Number: number, Command: "rsp", Data: content})
}

func wantArrival(t *testing.T, server *relptest.Server, s *relp.Session) {
	t.Helper()
	messages, texts := numbered(each)
	if acked, err := s.Send(t.Context(), messages); acked != each || err != nil {
		t.Errorf("got %d answered and %v", acked, err)
	}
	if diff := cmp.Diff(texts, server.Messages()); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAnswersOutOfOrder(t *testing.T) {
	t.Run("are as good", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			server := relptest.New(t)
			server.Script = func(c relptest.Command) relptest.Fault { return relptest.Fault{Hold: c.Name == "syslog" && c.N%7 != 3} }
			wantArrival(t, server, connect(t, server)) // The last is number 101, and not held.
		})
	})
	t.Run("count only up to the first that is missing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			server := relptest.New(t)
			server.Script = func(c relptest.Command) relptest.Fault {
				if c.N == 60 {
					return relptest.Fault{Raw: "garbage"}
				}
				return relptest.Fault{Silent: c.N == 5}
			}
			messages, _ := numbered(each)
			s := connect(t, server)
			if acked, err := s.Send(t.Context(), messages); acked != 3 || err == nil || !strings.Contains(err.Error(), "malformed frame") {
				t.Errorf("got %d answered and %v, want 3 and a malformed frame", acked, err)
			}
			wantOver(t, s, "malformed frame")
		})
	})
}

func TestUnknownHintsAreIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := relptest.New(t)
		server.Script = atMessage(3, relptest.Fault{Raw: "0 weather 5 sunny\n" + rsp(4, "200 OK")})
		wantArrival(t, server, connect(t, server))
	})
}

// A server may end a session while nothing is sent. That is noticed before the next Send.
func TestTheEndIsNoticedBetweenSends(t *testing.T) {
	for says, f := range map[string]relptest.Fault{
		"server closes the session": {Hint: true, Delay: time.Hour},
		io.EOF.Error():              {Close: true, Raw: rsp(4, "200 OK"), Delay: time.Hour},
	} {
		t.Run(says, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := relptest.New(t)
				server.Script = atMessage(3, f)
				s := connect(t, server)
				messages, _ := numbered(3)
				if acked, err := s.Send(t.Context(), messages); acked != 3 || err != nil {
					t.Fatalf("got %d answered and %v", acked, err)
				}
				synctest.Wait()
				wantOver(t, s, says)
			})
		})
	}
}

func TestTheWindowIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := relptest.New(t) // fails the test at a command too many
		server.Window = relp.Window
		server.Script = func(c relptest.Command) relptest.Fault { return relptest.Fault{Silent: c.Name == "syslog"} }
		s := connect(t, server)
		messages, _ := numbered(2 * relp.Window)
		if acked, err := s.Send(within(t, time.Minute), messages); acked != 0 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %d answered and %v", acked, err)
		}
		if got := len(server.Messages()); got != relp.Window {
			t.Errorf("%d messages were sent, want %d", got, relp.Window)
		}
		wantOver(t, s, "deadline")
	})
}

func TestNothingHangs(t *testing.T) {
	t.Run("when the context ends before Send", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			server := relptest.New(t)
			s := connect(t, server)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			messages, _ := numbered(1)
			if acked, err := s.Send(ctx, messages); acked != 0 || !errors.Is(err, context.Canceled) || len(server.Messages()) > 0 {
				t.Errorf("got %d answered, %d taken and %v", acked, len(server.Messages()), err)
			}
			wantOver(t, s, "canceled")
		})
	})
	t.Run("when the server reads no more", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			server := relptest.New(t)
			server.Script = atMessage(3, relptest.Fault{Delay: time.Hour})
			s := connect(t, server)
			messages, _ := numbered(1)
			messages[0] = make([]byte, 1<<16)
			messages = append(messages, messages[0], messages[0], messages[0])
			if acked, err := s.Send(within(t, time.Minute), messages); acked > 2 || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %d answered and %v", acked, err)
			}
			wantOver(t, s, "deadline")
		})
	})
	t.Run("when Close comes while Send waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			server := relptest.New(t)
			server.Script = atMessage(3, relptest.Fault{Silent: true})
			s := connect(t, server)
			sent := make(chan error)
			go func() {
				messages, _ := numbered(each)
				_, err := s.Send(t.Context(), messages)
				sent <- err
			}()
			synctest.Wait()
			if err := s.Close(t.Context()); err != nil {
				t.Errorf("Close: %v", err)
			}
			if err := <-sent; err == nil || !strings.Contains(err.Error(), "session is closed") {
				t.Errorf("Send: got %v", err)
			}
		})
	})
	t.Run("when the server does not answer close", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			server := relptest.New(t)
			server.Script = atMessage(1, relptest.Fault{Silent: true})
			s := connect(t, server)
			if err := s.Close(within(t, time.Second)); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		})
	})
}

func TestAnswersToClose(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault relptest.Fault
		good  bool
	}{
		{"as librelp's", relptest.Fault{}, true},
		{"with a status", relptest.Fault{Raw: rsp(2, "200 OK")}, true},
		{"a refusal", relptest.Fault{Status: 500}, false},
		{"a closed connection", relptest.Fault{Close: true}, false},
		{"an answer to another", relptest.Fault{Raw: rsp(1, "200 OK")}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := relptest.New(t)
				server.Script = atMessage(1, tt.fault)
				if err := connect(t, server).Close(t.Context()); (err == nil) != tt.good {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

// Whatever a server does, everything arrives if unanswered messages are sent again, in
// order except for repetitions. (A server that refuses a message and continues takes
// later messages first.)
func TestNothingIsLost(t *testing.T) {
	messages, texts := numbered(relp.Window + 200)
	fault := rapid.SampledFrom([]relptest.Fault{
		{Status: 500, Close: true}, {Raw: "garbage"}, {Raw: "0 serverclose 0\n"}, {Hint: true}, {Silent: true}, {Close: true}, {Hold: true},
		{Delay: time.Second}, {Raw: "2 rsp 6 200 OK\n"}, {Silent: true, Delay: time.Hour},
	})
	rapid.Check(t, func(r *rapid.T) {
		faults := map[int]relptest.Fault{}
		for _, n := range rapid.SliceOfN(rapid.IntRange(1, 2*relp.Window), 0, 8).Draw(r, "faulty commands") {
			faults[n] = fault.Draw(r, "fault")
		}
		size := rapid.IntRange(1, 2*relp.Window).Draw(r, "batch")
		var arrived []string
		synctest.Test(t, func(t *testing.T) {
			server := relptest.New(t)
			server.Script = func(c relptest.Command) relptest.Fault { return faults[c.N] }
			deliver(t, server, messages, size)
			arrived = server.Messages()
		})
		seen := map[string]bool{}
		var first []string
		for _, m := range arrived {
			if !seen[m] {
				first = append(first, m)
			}
			seen[m] = true
		}
		if diff := cmp.Diff(texts, first); diff != "" {
			r.Fatalf("messages without repetitions (-want +got):\n%s", diff)
		}
	})
}

// deliver sends batches until everything is answered, in as many sessions as that takes.
func deliver(t *testing.T, server *relptest.Server, messages [][]byte, size int) {
	var s *relp.Session
	for len(messages) > 0 {
		if s == nil {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			s, _ = relp.Open(ctx, serve(t, server)) // What cannot be opened is opened again.
			cancel()
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		acked, err := s.Send(ctx, messages[:min(size, len(messages))])
		cancel()
		messages = messages[acked:]
		if err != nil {
			_ = s.Close(t.Context()) // It has ended.
			s = nil
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Log(err) // by the last fault
	}
}
