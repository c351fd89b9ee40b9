package relp

import "fmt"

// Window is how many messages may wait for their answers. The client chooses it, and
// does not send it to the server. librelp's own is 128: with a round trip of 5 ms that
// allows at most 25,600 messages a second, and was measured at a third more than a
// client that waits after every page of 100. This one reaches ten times as many. The
// cost: when a connection breaks, up to a window of messages is sent again although
// they had arrived.
const Window = 2048

// window tracks the commands that wait for an answer. It counts commands from the
// first of the session; their transaction numbers follow from the count.
type window struct {
	oldest   uint64       // the first command without an answer
	next     uint64       // the next command to be sent
	answered [Window]bool // of commands from oldest to next, by count modulo Window
}

func newWindow() window { return window{oldest: 1, next: 1} }

func (w *window) waiting() int { return int(w.next - w.oldest) }

// add adds a command and returns its transaction number. The window must not be full.
func (w *window) add() int {
	n := number(w.next)
	w.answered[w.next%Window] = false
	w.next++
	return n
}

// number returns a transaction number: 1 to 999,999,999, and then 1 again. 0 is for
// hints.
func number(count uint64) int { return int((count-1)%lastNumber) + 1 }

// acknowledge notes the answer to a transaction. The specification allows answers in
// any order in one sentence and requires the order of the commands in another; librelp
// accepts any order, and so does this client.
func (w *window) acknowledge(n int) error {
	distance := (n - number(w.oldest) + lastNumber) % lastNumber
	if n < 1 || distance >= w.waiting() {
		return fmt.Errorf("answer to transaction %d, which does not wait for one", n)
	}
	place := (w.oldest + uint64(distance)) % Window
	if w.answered[place] {
		return fmt.Errorf("second answer to transaction %d", n)
	}
	w.answered[place] = true
	for w.oldest < w.next && w.answered[w.oldest%Window] {
		w.oldest++
	}
	return nil
}
