package sourcetest

import (
	"bytes"
	"runtime"
	"strings"
)

// goroutines is the stacks of all goroutines, by number. It leaves out those of net/http,
// which keeps connections open after a source is closed.
func goroutines() map[string]string {
	text := make([]byte, 1<<20)
	n := runtime.Stack(text, true)
	for ; n == len(text); n = runtime.Stack(text, true) {
		text = make([]byte, 2*n)
	}
	all := map[string]string{}
	for stack := range bytes.SplitSeq(text[:n], []byte("\n\n")) {
		head, _, _ := strings.Cut(string(stack), " [")
		if !bytes.Contains(stack, []byte("\ncreated by net/http")) {
			all[head] = string(stack)
		}
	}
	return all
}

// leftOver is the stack of a goroutine that is new; empty if there is none.
func leftOver(before, after map[string]string) string {
	for head, stack := range after {
		if _, ok := before[head]; !ok {
			return stack
		}
	}
	return ""
}
