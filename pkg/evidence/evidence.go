// Package evidence numbers the records of a lane and signs statements about them, so that
// somebody who holds the records and a public key finds out what is missing, altered,
// moved or forged.
//
// A lane's log is the records that it delivered, in their order. Each has a sequence, its
// place in the log from 0 on, and the epoch of the lane: how often the lane was taken.
// Over the records stands a tree (RFC 6962, section 2.1). Its leaves are hashes of the
// events (Leaf). A position holds what is needed to go on (State): not the tree, only its
// edge.
//
// A note (Note) is a C2SP checkpoint of that tree, signed as a signed note, with what else
// must be known of the records since the note before: a tag for each, which records were
// rejected, how many were filtered. It is delivered as an ordinary record (Event). An open
// note is written each time the lane is taken, a seal soon after records, and now and then
// while there are none.
//
// A note covers only what a saved position covers. A lane therefore saves the position
// with the note in it, and delivers the note after that. So no crash makes two notes that
// contradict one another.
//
// # Where records state their facts
//
// A leaf can be computed from a record alone. Each format states the facts that a leaf
// binds (Facts) in these places. <log> is the dataset of the source's product, such as
// planetscale.audit, <first> and <second> are what it calls the two objects (Product.ObjectNames), <Key>
// is vendor and product without blanks, such as PlanetScaleAuditLog.
//
//	            ECS                    OCSF                     CEF                  LEEF
//	form        event.kind             metadata.debug           reason               problem
//	            <log>.truncated        metadata.is_truncated    cn1                  truncated
//	id          event.id               metadata.uid             externalId           eventId
//	time        @timestamp             time                     rt                   devTime
//	action      event.action           metadata.event_code      act                  action
//	actor       <log>.actor.id         actor.user.uid           suid                 actorId
//	address     source.ip              src_endpoint.ip          src, or else c6a2    src
//	object      <log>.<first>.id       (resources)              flexString1          firstId, or resourceId
//	container   <log>.<second>.id      (resources)              flexString2          secondId, or containerId
//	organiz.    organization.name      metadata.tenant_uid      deviceExternalId     accountName
//	hash        event.hash             raw_data_hash.value      <Key>EventSHA256     rawSha256
//	epoch       <log>.epoch            unmapped.sluice.epoch    <Key>Number          epoch
//	sequence    event.sequence         metadata.sequence        <Key>Number          sequence
//	note        <log>.note             unmapped.sluice.note     <Key>Note            note
//
// A record is Undecoded if it has what the first line of form names (in ECS, if event.kind
// is pipeline_error); else it is Shortened if it has what the second line names; else it is
// Whole. What a record does not have is empty. Times are in milliseconds, cut.
//
//   - OCSF has the ids of the objects in unmapped.sluice.objects, an array of two texts. If
//     it has no such array, they are the uids of the first and the second element of resources,
//     or of unmapped.resources if the class has no resources.
//   - LEEF has firstId or secondId, or both, only where they are not resourceId and
//     containerId. If it has one of them, the absent other is empty.
//   - <Key>Number of CEF is epoch and sequence, with a slash between.
//   - A note in CEF and LEEF is in Base64 with the alphabet for URLs and without padding
//     (RFC 4648, section 5).
//
// A record in the format raw is the raw event itself, or {"original_base64": …} of it. Its
// hash is that of the record, or of what it has in Base64; its facts are under the source's
// keys (Product.Keys), where a number or a boolean stands for its literal. It does not say
// whether it was decoded. So its leaf is that of a Whole record or that of an Undecoded
// one, whose id is the raw event's or the hash of the event, "sha256:" and 64 hex digits. A note is under
// the key "note". Organization and number are beside the record, if at all; else the
// organization is that of the log's notes, the second part of their origin.
//
// Beside records of every format there are Kafka's headers sluice-epoch, sluice-sequence
// and sluice-organization; HEC's indexed fields sluice_epoch, sluice_sequence,
// sluice_event_id and sluice_organization; and in the structured data of RFC 5424 id,
// organization, epoch and sequence, and the sequenceId of the element meta, which begins
// again at 1 after 2147483647.
//
// A record of the format text states no facts. It is for people.
//
// # Files
//
// leaf, tree and key are the parts; note is the statement, parse reads it, and event
// carries it. state is what a position keeps, envelope how it keeps it, and settle how it
// changes with each position. writer is what a lane needs for all that.
package evidence
