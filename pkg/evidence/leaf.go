package evidence

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// Leaf is the hash of an event in a lane's log.
type Leaf = tlog.Hash

// leafVersion is the first field of every leaf.
const leafVersion = "sluice-leaf/v1"

// Form says how much of an event its record states.
type Form string

// The forms of records. A record that is marked as truncated or as not decoded is bound by
// its id, its organization and the hash of the raw event alone. One that is both is
// Undecoded.
const (
	Whole     Form = "whole"
	Shortened Form = "shortened"
	Undecoded Form = "undecoded"
)

// Facts are what a leaf binds of an event, as every format states it.
type Facts struct {
	Form         Form
	ID           string
	Time         time.Time
	Action       string
	Actor        string // id
	Address      string
	Object       string // id of the first object
	Container    string // id of the second object
	Organization string
	Hash         [32]byte // SHA-256 of the raw event as it was delivered
}

// FactsOf returns the facts of an event, whose Hash is known.
func FactsOf(e *source.Event, shortened bool) Facts {
	f := Facts{
		Form: Whole, ID: e.ID, Time: e.Time, Action: e.Action, Actor: e.Actor.ID, Address: e.RemoteIP,
		Object: e.Objects[0].ID, Container: e.Objects[1].ID, Organization: e.Organization, Hash: e.Sum(),
	}
	switch {
	case e.Problem != "" || !transform.Storable(e.Time):
		f.Form = Undecoded
	case shortened:
		f.Form = Shortened
	}
	return f
}

// Leaf returns the leaf: the RFC 6962 hash of its version and fields, each with its length
// before it, as four bytes, the largest first. Each value is reduced to what all formats
// state of it, so a record gives the same leaf in every format that has the same form of it.
func (f *Facts) Leaf() Leaf {
	var room [512]byte
	b := append(room[:0], 0) // of a leaf
	b = appendField(b, leafVersion)
	b = appendField(b, string(f.Form))
	b = appendField(b, plainID(f.ID))
	if f.Form == Whole {
		var digits [20]byte
		b = appendField(b, strconv.AppendInt(digits[:0], f.Time.UnixMilli(), 10))
		b = appendField(b, plain(f.Action))
		b = appendField(b, plain(f.Actor))
		b = appendAddress(b, f.Address)
		b = appendField(b, plain(f.Object))
		b = appendField(b, plain(f.Container))
	}
	b = appendField(b, plain(f.Organization))
	b = appendField(b, f.Hash[:])
	return sha256.Sum256(b)
}

func appendField[T string | []byte](b []byte, value T) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(value)))
	return append(b, value...)
}

// longest is the longest value that a leaf binds as it is. Every format states such a value
// whole.
const longest = 63

// odd stands for a value that formats state in different ways.
const odd = "?"

// isPlain are the bytes that no format escapes.
var isPlain = func() (is [256]bool) {
	for c := '!'; c <= '~'; c++ {
		is[c] = c != '\\' && c != '|' && c != '=' && c != '^' && c != '"'
	}
	return is
}()

// plain returns a value that every format states to the byte, and odd for any other that
// is not empty. The hash of the raw event binds those.
func plain(value string) string {
	if len(value) > longest {
		return odd
	}
	for i := range len(value) {
		if !isPlain[value[i]] {
			return odd
		}
	}
	return value
}

// longestID is how much of an id CEF has room for.
const longestID = 40

// plainID returns the id as CEF states it: itself if it has at most 40 characters, all of
// them letters, digits or one of ".-_:"; the first 40 characters of a longer one that
// begins with "sha256:"; else as much of its hash. LEEF and syslog may state the whole hash in
// its place, which has the same beginning.
func plainID(id string) string {
	const prefix = "sha256:"
	switch {
	case isIdentifier(id) && len(id) <= longestID:
		return id
	case isIdentifier(id) && strings.HasPrefix(id, prefix):
		return id[:longestID]
	}
	sum := sha256.Sum256([]byte(id))
	return (prefix + hex.EncodeToString(sum[:]))[:longestID]
}

func isIdentifier(id string) bool {
	for i := range len(id) {
		c := id[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > ':') && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return id != ""
}

// appendAddress appends an IP address in its canonical form, and an empty field for any
// other text, which only some formats state.
func appendAddress(b []byte, text string) []byte {
	var room [64]byte
	canonical := room[:0]
	if addr := transform.Address(text); addr.IsValid() {
		canonical = addr.AppendTo(canonical)
	}
	return appendField(b, canonical)
}
