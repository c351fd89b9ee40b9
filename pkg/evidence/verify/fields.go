package verify

import (
	"strings"

	"github.com/sluice-siem/sluice/pkg/source"
)

// field is a member of a record that a claim is made of, in any format of JSON.
type field int

// The members of ECS, and below the vendor's own object.
const (
	ecsVersion field = iota
	ecsTime
	ecsKind
	ecsAction
	ecsID
	ecsSequence
	ecsDataset
	ecsHash
	ecsOriginal
	ecsOrganization
	ecsAddress
	ownID
	ownEpoch
	ownNote
	ownTruncated
	ownProblem
	ownReplayed
	ownBase64
	ownActor
	ownFirst
	ownSecond
	fieldCount
)

var ecsFields = map[string]field{
	"ecs.version": ecsVersion, "@timestamp": ecsTime, "event.kind": ecsKind, "event.action": ecsAction, "event.id": ecsID,
	"event.sequence": ecsSequence, "event.dataset": ecsDataset, "event.hash": ecsHash, "event.original": ecsOriginal,
	"organization.name": ecsOrganization, "source.ip": ecsAddress,
}

var ownFields = map[string]field{
	"id": ownID, "epoch": ownEpoch, "note": ownNote, "truncated": ownTruncated, "problem": ownProblem, "replayed": ownReplayed,
	"original_base64": ownBase64, "actor.id": ownActor,
}

// treeOf returns where the fields stand in the records of all types.
func treeOf(types []source.Type) *tree {
	root := &tree{}
	for path, f := range ecsFields {
		root.add(path, f)
	}
	for i := range types {
		p := &types[i].Product
		for path, f := range ownFields {
			root.add(p.Dataset+"."+path, f)
		}
		names := p.ObjectNames()
		root.add(p.Dataset+"."+names[0]+".id", ownFirst)
		root.add(p.Dataset+"."+names[1]+".id", ownSecond)
	}
	return root
}

// tree leads to the members that matter. All others are skipped.
type tree struct {
	children map[string]*tree
	field    field
	leaf     bool
}

func (t *tree) add(path string, f field) {
	for key := range strings.SplitSeq(path, ".") {
		if t.children == nil {
			t.children = map[string]*tree{}
		}
		next := t.children[key]
		if next == nil {
			next = &tree{}
			t.children[key] = next
		}
		t = next
	}
	t.field, t.leaf = f, true
}

// child returns where a key leads, nil if to nothing that matters. A destination may have
// joined the keys of nested objects by dots.
func (t *tree) child(key string) *tree {
	if next := t.children[key]; next != nil {
		return next
	}
	for part := range strings.SplitSeq(key, ".") {
		if t = t.children[part]; t == nil {
			return nil
		}
	}
	return t
}
