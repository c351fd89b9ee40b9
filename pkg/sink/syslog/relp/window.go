package relp

import "fmt"

// Window is how many messages may wait for their answers. It is the client's to
// choose, and no server is told. librelp's own is 128, which at a round trip of 5 ms
// allows 25,600 messages a second at the very most and was measured at a third more
// than a client that waits after every page of 100; this one reaches ten times as
// many. The price is paid when a connection breaks: so many messages, at most, are
// sent again although they had arrived.
const Window = 2048

// window knows the commands that wait for an answer. It counts them from the
// first of the session on; their transaction numbers follow from that.
type window struct {
	oldest   uint64       // the first without an answer
	next     uint64       // the next to be sent
	answered [Window]bool // of those from oldest to next, by the count modulo Window
}

func newWindow() window { return window{oldest: 1, next: 1} }

func (w *window) waiting() int { return int(w.next - w.oldest) }

// add takes up a command, and returns the number of its transaction. There must
// be room.
func (w *window) add() int {
	n := number(w.next)
	w.answered[w.next%Window] = false
	w.next++
	return n
}

// number is 1 to 999,999,999, and then 1 again; 0 is for hints.
func number(count uint64) int { return int((count-1)%lastNumber) + 1 }

// settle takes the answer to a transaction. The specification says in one
// sentence that answers may come in any order and in another that they come in
// the order of the commands; librelp takes any, and so does this.
func (w *window) settle(n int) error {
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
