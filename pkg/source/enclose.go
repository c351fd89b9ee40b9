package source

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// behind follows what stands beside a position. It cannot stand in JSON before that, unless
// as a key, since quotes in a text are escaped.
const behind = `,"position":`

// Enclose returns a position that keeps a value beside another one, for a lane that has more
// to keep than its source. The value may have no key "position". Of the position, which may
// be large, Enclose only makes a copy.
func Enclose(key string, beside any, pos Position) (Position, error) {
	text, err := json.Marshal(beside)
	if err != nil {
		return nil, fmt.Errorf("%s in a position: %w", key, err)
	}
	return slices.Concat(opening(key), text, []byte(behind), pos, []byte("}")), nil
}

// Enclosed returns the parts of a position that Enclose made with this key. For any other
// position the value is nil, and inner is the position as it is. It does not parse either
// part. The error is ErrUnusable.
func Enclosed(key string, pos Position) (beside json.RawMessage, inner Position, err error) {
	text, is := bytes.CutPrefix(bytes.TrimSpace(pos), opening(key))
	if !is {
		return nil, pos, nil
	}
	beside, rest, found := bytes.Cut(text, []byte(behind))
	inner, ends := bytes.CutSuffix(rest, []byte("}"))
	if !found || !ends || len(inner) == 0 || string(beside) == "null" {
		return nil, nil, fmt.Errorf("%s in the position: %w: %w", key, errors.New("it is not complete"), ErrUnusable)
	}
	return beside, inner, nil
}

func opening(key string) []byte { return []byte(`{"` + key + `":`) }
