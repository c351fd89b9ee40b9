package statedir

import (
	"fmt"
	"strconv"
	"strings"
)

// FileName returns a file name for the lane, without extension, that no other lane
// has. Lower-case letters, digits, '-', '_' and '.' stay as they are; the slash
// between source and sink becomes a '+'; any other byte, a capital letter and a
// leading '.' are percent-encoded. So "acme/siem" becomes "acme+siem". Names differ
// also on a file system that folds case, and no name leads out of the directory.
func FileName(lane string) string {
	var name strings.Builder
	for i := range len(lane) {
		switch c := lane[i]; {
		case c == '/':
			name.WriteByte('+')
		case plain(c) && !(i == 0 && c == '.'):
			name.WriteByte(c)
		default:
			fmt.Fprintf(&name, "%%%02X", c)
		}
	}
	return name.String()
}

// LaneName returns the lane whose FileName is name; ok is false if there is none.
func LaneName(name string) (lane string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case c == '+':
			b.WriteByte('/')
		case c == '%' && i+2 < len(name):
			n, err := strconv.ParseUint(name[i+1:i+3], 16, 8)
			if err != nil {
				return "", false
			}
			b.WriteByte(byte(n))
			i += 2
		default:
			b.WriteByte(c)
		}
	}
	lane = b.String()
	return lane, FileName(lane) == name
}

func plain(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.'
}
