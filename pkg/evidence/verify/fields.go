package verify

import (
	"strings"

	"github.com/sluice-siem/sluice/pkg/source"
)

// field is a member of a record that a claim is made of. Package evidence says where the
// members of each format are.
type field int

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
	ecsClient
	ecsAccount
	ecsUser
	ecsUserName
	ecsUserFullName
	ecsCreated
	ecsHost
	ecsBuild

	ownID // of the vendor's own object in ECS, as those that follow
	ownEpoch
	ownNote
	ownTruncated
	ownProblem
	ownReplayed
	ownBase64
	ownActor
	ownActorName
	ownFirst
	ownSecond
	ownLate
	ownToken

	ocsfClass
	ocsfTime
	ocsfID
	ocsfAction
	ocsfSequence
	ocsfOrganization
	ocsfDebug
	ocsfTruncated
	ocsfActor
	ocsfAddress
	ocsfResources
	ocsfOtherResources
	ocsfObjects
	ocsfHash
	ocsfOriginal
	ocsfBase64
	ocsfEpoch
	ocsfNote
	ocsfReplayed
	ocsfSeverity
	ocsfLogged
	ocsfLoggers
	ocsfVendor
	ocsfProduct
	ocsfFeature
	ocsfLate
	ocsfToken

	rawID // of the source's own object, as those that follow
	rawTime
	rawAction
	rawActor
	rawAddress
	rawFirst
	rawSecond
	rawNote
	rawBase64

	wrapEvent // of what destinations put around a record, as those that follow
	wrapSource
	wrapResult
	wrapResults
	wrapHits
	wrapFields
	wrapPayload
	wrapHeaders
	wrapEpoch
	wrapSequence
	wrapID
	wrapOrganization
	wrapReplayed
	fieldCount
)

var sharedFields = map[string]field{
	"ecs.version": ecsVersion, "@timestamp": ecsTime, "event.kind": ecsKind, "event.action": ecsAction, "event.id": ecsID,
	"event.sequence": ecsSequence, "event.dataset": ecsDataset, "event.hash": ecsHash, "event.original": ecsOriginal,
	"organization.name": ecsOrganization, "source.ip": ecsAddress, "client.ip": ecsClient,
	"cloud.account.id": ecsAccount, "user.id": ecsUser, "user.name": ecsUserName, "user.full_name": ecsUserFullName,
	"event.created": ecsCreated, "observer.name": ecsHost, "observer.version": ecsBuild,

	"class_uid": ocsfClass, "time": ocsfTime, "metadata.uid": ocsfID, "metadata.event_code": ocsfAction,
	"metadata.sequence": ocsfSequence, "metadata.tenant_uid": ocsfOrganization, "metadata.debug": ocsfDebug,
	"metadata.is_truncated": ocsfTruncated, "actor.user.uid": ocsfActor, "src_endpoint.ip": ocsfAddress, "resources": ocsfResources,
	"unmapped.resources": ocsfOtherResources, "unmapped.sluice.objects": ocsfObjects, "raw_data_hash.value": ocsfHash,
	"raw_data": ocsfOriginal, "unmapped.sluice.original_base64": ocsfBase64, "unmapped.sluice.epoch": ocsfEpoch,
	"unmapped.sluice.note": ocsfNote, "unmapped.sluice.replayed": ocsfReplayed, "unmapped.sluice.severity": ocsfSeverity,
	"metadata.logged_time": ocsfLogged, "metadata.loggers": ocsfLoggers, "metadata.product.vendor_name": ocsfVendor,
	"metadata.product.name": ocsfProduct, "metadata.product.feature.name": ocsfFeature, "unmapped.sluice.late": ocsfLate, "unmapped.sluice.own_token": ocsfToken,

	"_raw": wrapEvent, "_source": wrapSource, "result": wrapResult, "results": wrapResults, "hits": wrapHits, "fields": wrapFields,
	"payload": wrapPayload, "headers": wrapHeaders, "sluice_epoch": wrapEpoch, "sluice_sequence": wrapSequence,
	"sluice_event_id": wrapID, "sluice_organization": wrapOrganization, "sluice_replayed": wrapReplayed,
}

var ownFields = map[string]field{
	"id": ownID, "epoch": ownEpoch, "note": ownNote, "truncated": ownTruncated, "problem": ownProblem, "replayed": ownReplayed,
	"original_base64": ownBase64, "actor.id": ownActor, "actor.name": ownActorName,
	"late": ownLate, "own_token": ownToken,
}

// treeOf returns where the fields of ECS and OCSF stand in the records of all types.
func treeOf(types []source.Type) *tree {
	root := &tree{}
	for path, f := range sharedFields {
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

// rawTree returns where the fields of a source's own events stand.
func rawTree(k source.Keys) *tree {
	root := &tree{}
	own := k.Own()
	for _, f := range []struct {
		key   string
		field field
	}{
		{own.ID, rawID}, {own.Time, rawTime}, {own.Action, rawAction}, {k.Actor.ID, rawActor}, {k.RemoteIP, rawAddress},
		{k.Objects[0].ID, rawFirst}, {k.Objects[1].ID, rawSecond},
		{"note", rawNote}, {"original_base64", rawBase64},
	} {
		if f.key != "" {
			root.add(f.key, f.field)
		}
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
