package evidence

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// Tree is the edge of a Merkle tree (RFC 6962, section 2.1): enough to append leaves and to
// compute the root. Its zero value is the empty tree.
type Tree struct {
	Size uint64
	edge []tlog.Hash // roots of the complete subtrees, the largest first
}

// Append adds a leaf.
func (t *Tree) Append(leaf Leaf) {
	h := leaf
	for n := t.Size; n&1 == 1; n >>= 1 {
		last := len(t.edge) - 1
		h = tlog.NodeHash(t.edge[last], h)
		t.edge = t.edge[:last]
	}
	t.edge = append(t.edge, h)
	t.Size++
}

// Root returns the hash of the tree.
func (t *Tree) Root() tlog.Hash {
	if t.Size == 0 {
		return sha256.Sum256(nil)
	}
	last := len(t.edge) - 1
	root := t.edge[last]
	for i := last - 1; i >= 0; i-- {
		root = tlog.NodeHash(t.edge[i], root)
	}
	return root
}

// Clone returns a copy that does not change with t.
func (t *Tree) Clone() Tree {
	return Tree{Size: t.Size, edge: append([]tlog.Hash(nil), t.edge...)}
}

// Edge returns the edge as text, for NewTree.
func (t *Tree) Edge() string {
	b := make([]byte, 0, len(t.edge)*tlog.HashSize)
	for i := range t.edge {
		b = append(b, t.edge[i][:]...)
	}
	return base64.StdEncoding.EncodeToString(b)
}

// NewTree returns the tree of a size with an edge.
func NewTree(size uint64, edge string) (Tree, error) {
	b, err := base64.StdEncoding.DecodeString(edge)
	if err != nil {
		return Tree{}, fmt.Errorf("edge of a tree: %w", err)
	}
	if want := bits.OnesCount64(size) * tlog.HashSize; len(b) != want {
		return Tree{}, fmt.Errorf("edge of a tree of %d leaves: it has %d bytes, want %d", size, len(b), want)
	}
	t := Tree{Size: size}
	for ; len(b) > 0; b = b[tlog.HashSize:] {
		t.edge = append(t.edge, tlog.Hash(b[:tlog.HashSize]))
	}
	return t, nil
}
