package objectlog

import (
	"fmt"
	"strconv"
	"strings"
)

// root is the folder of all logs. Hive, Spark and Athena skip folders whose names begin
// with an underscore, so tables of the records do not see it.
const root = "_sluice/"

// Escape returns a name as a part of a key: no two names have the same, and none leads to
// another folder. It leaves a-z, A-Z, 0-9, _ and -, and writes any other byte as ! and two
// digits, so that a dot can stand between names.
func Escape(name string) string {
	var b strings.Builder
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "!%02X", c)
		}
	}
	return b.String()
}

// LaneName returns the name of a lane as a part of a key, such as acme.siem.
func LaneName(lane string) string {
	source, name, _ := strings.Cut(lane, "/")
	return Escape(source) + "." + Escape(name)
}

// Folder is where a lane's log is, and what else is kept for the lane.
func Folder(lane string) string { return root + LaneName(lane) + "/" }

func (l *Log) entries() string { return Folder(l.lane) + "log/" }
func (l *Log) letters() string { return Folder(l.lane) + "dead-letters/" }

// digits is how many a number has in a key, so that keys are in the order of their numbers.
const digits = 12

// Number returns a number as it is in keys.
func Number(n int64) string { return fmt.Sprintf("%0*d", digits, n) }

func (l *Log) entryKey(n int64) string { return l.entries() + Number(n) + ".json" }

// letterKey has the commit in it: a number may be tried by several.
func (l *Log) letterKey(n int64, commit string) string {
	return l.letters() + Number(n) + "-" + commit + ".ndjson"
}

// numberOf is the number of an entry or of dead letters.
func numberOf(key string) (int64, error) {
	name := key[strings.LastIndexByte(key, '/')+1:]
	if len(name) < digits {
		return 0, fmt.Errorf("object %s has no number in its name", key)
	}
	n, err := strconv.ParseInt(name[:digits], 10, 64)
	if err != nil || n < 1 || Number(n) != name[:digits] {
		return 0, fmt.Errorf("object %s has no number in its name", key)
	}
	return n, nil
}
