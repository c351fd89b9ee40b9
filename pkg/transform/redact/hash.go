package redact

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strings"
)

// hasher makes tokens with one key. It remembers them, since the same few people
// and addresses make most events.
type hasher struct {
	key    string
	mac    hash.Hash
	tokens map[string]string
}

const (
	// maxTokens bounds what is remembered: beyond it all is forgotten.
	maxTokens = 4096
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
	text = strings.Clone(text) // It shares memory with the page it came in.
	h.mac.Reset()
	h.mac.Write([]byte(text)) // which a hash.Hash never refuses
	token := "hmac:" + hex.EncodeToString(h.mac.Sum(nil)[:tokenBytes])
	if len(h.tokens) >= maxTokens {
		clear(h.tokens)
	}
	h.tokens[text] = token
	return token
}
