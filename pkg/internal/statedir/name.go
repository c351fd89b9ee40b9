package statedir

import (
	"fmt"
	"strconv"
	"strings"
)

// FileName is a file name, without extension, that no other lane has: letters,
// digits, '-', '_' and '.' stand for themselves, the slash between source and
// sink is a '+', and any other byte, a capital letter or a leading '.' is
// percent-encoded. So "acme/siem" is "acme+siem", a.b/c and a/b.c stay apart
// also where the file system folds case, and no name leaves the directory.
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

// LaneName is the lane whose FileName is name; ok is false if there is none.
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
