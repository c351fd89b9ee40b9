package sink_test

import (
	"testing"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// With thousands of lanes, messages that name all others would fill a disk.
func TestFewOtherLanesAreNamed(t *testing.T) {
	for _, tt := range []struct {
		lanes []string
		want  string
	}{
		{nil, ""},
		{[]string{"a"}, "dir holds positions of other lanes (a)"},
		{[]string{"a", "b", "c", "d", "e"}, "dir holds positions of other lanes (a, b, c, d, e)"},
		{[]string{"a", "b", "c", "d", "e", "f", "g"}, "dir holds positions of other lanes (a, b, c, d, e and 2 more)"},
	} {
		if got := sink.TracesOfOthers("dir", tt.lanes); got != (sink.Traces{Found: tt.want}) {
			t.Errorf("%v: got %+v, want %q found", tt.lanes, got, tt.want)
		}
	}
}
