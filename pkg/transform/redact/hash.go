package redact

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strings"
)

// hasher makes tokens with one key. It caches them, since most events come from the same
// few people and addresses.
type hasher struct {
	key    string
	mac    hash.Hash
	tokens map[string]string
}

const (
	// maxTokens limits the cache. At the limit it is cleared. Values that are longer than
	// names and addresses rarely repeat, and are not cached.
	maxTokens     = 4096
	maxRemembered = 256
	// tokenBytes of the HMAC are kept.
	tokenBytes = 16
)

func newHasher(key string) *hasher {
	return &hasher{key: key, mac: hmac.New(sha256.New, []byte(key)), tokens: map[string]string{}}
}

func (h *hasher) token(text string) string {
	if token, known := h.tokens[text]; known {
		return token
	}
	h.mac.Reset()
	h.mac.Write([]byte(text)) // It never returns an error.
	token := "hmac:" + hex.EncodeToString(h.mac.Sum(nil)[:tokenBytes])
	if len(text) > maxRemembered {
		return token
	}
	if len(h.tokens) >= maxTokens {
		clear(h.tokens)
	}
	h.tokens[strings.Clone(text)] = token // The text shares memory with the page it came in.
	return token
}
