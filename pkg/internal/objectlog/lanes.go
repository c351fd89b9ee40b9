package objectlog

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
)

// Lanes returns the names of all lanes that have a folder in a store. It asks once for each.
func Lanes(ctx context.Context, store objectstore.Store) (names []string, err error) {
	for after := ""; ; {
		infos, _, err := store.List(ctx, root, after)
		if err != nil {
			return names, fmt.Errorf("listing lanes: %w", err)
		}
		if len(infos) == 0 {
			return names, nil
		}
		folder, _, _ := strings.Cut(strings.TrimPrefix(infos[0].Key, root), "/")
		if lane, ok := laneOf(folder); ok {
			names = append(names, lane)
		}
		after = root + folder + "/~" // behind all keys of the folder
	}
}

// laneOf is the reverse of LaneName.
func laneOf(name string) (lane string, ok bool) {
	of, to, ok := strings.Cut(name, ".")
	source, sound := unescape(of)
	sink, also := unescape(to)
	lane = source + "/" + sink
	return lane, ok && sound && also && LaneName(lane) == name
}

// unescape is the reverse of Escape.
func unescape(part string) (name string, ok bool) {
	var b strings.Builder
	for {
		plain, rest, escaped := strings.Cut(part, "!")
		b.WriteString(plain)
		if !escaped {
			return b.String(), true
		}
		if len(rest) < 2 {
			return "", false
		}
		c, err := strconv.ParseUint(rest[:2], 16, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(c))
		part = rest[2:]
	}
}
