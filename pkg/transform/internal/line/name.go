package line

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// AppendClass appends an action as the name of a class of events. Every consumer accepts
// [A-Za-z0-9._-] in such a name. Any other character becomes an underscore.
func AppendClass(dst []byte, action string) []byte {
	for i := range len(action) {
		c := action[i]
		if !IsClassByte(c) {
			c = '_'
		}
		dst = append(dst, c)
	}
	return dst
}

// IsClassByte reports whether AppendClass leaves c unchanged.
func IsClassByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-'
}

// hashed is the start of an id that is a hash.
const hashed = "sha256:"

// AppendID appends an id in at most that many characters, 40 or more. It replaces an id that
// is longer, or has characters that would be changed, with the id's hash, so that no two
// events share an id. Of an id that is a hash already, it appends the start.
func AppendID(dst []byte, id string, most int) []byte {
	switch {
	case isIdentifier(id) && len(id) <= most:
		return append(dst, id...)
	case isIdentifier(id) && strings.HasPrefix(id, hashed):
		return append(dst, id[:most]...)
	}
	sum := sha256.Sum256([]byte(id))
	text := hex.AppendEncode([]byte(hashed), sum[:])
	return append(dst, text[:min(most, len(text))]...)
}

func isIdentifier(id string) bool {
	for i := range len(id) {
		if !IsClassByte(id[i]) && id[i] != ':' {
			return false
		}
	}
	return id != ""
}
