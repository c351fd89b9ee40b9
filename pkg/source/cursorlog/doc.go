// Package cursorlog reads a log that lists its newest event first, in pages behind
// cursors, and that has no filter. Many vendors serve their audit log so. A source for
// one of them consists of a Client, which knows the vendor's requests and answers, and
// of this package, which reads such a log without losing or repeating an event.
//
// # Why this is not easy
//
// Cursors lead into the past, so a saved cursor never shows anything new. And an event
// can become visible after a later one. So a reader walks: it lists from the top down
// to where everything is settled. Then it returns the events it did not know, oldest
// first. Its position is not a place in the list. It is a time, the floor, with the ids
// of the events delivered at or above it. Everything below the floor is settled. Read
// position, walk and handout, in this order, to see why no event is omitted or repeated.
//
// # What it guarantees
//
//   - It returns every event that the log shows within Overlap of the event's time, if
//     it can read the event before it leaves the log. It returns each event once, in
//     whatever order the log lists events, and although pages change between requests.
//   - Events of one walk come oldest first. An event that is found later than its
//     successors is marked Late.
//   - If the log no longer reaches back to a position, or lost what the reader listed and
//     did not return yet, the reader returns an event of its own, a gap. For the second it
//     returns pages without an event, whose positions must be saved before the next event
//     is published.
//   - A position names at most 20,000 events and is smaller than 512 kB. A position
//     that is corrupt or of another log is refused.
//   - Wrong answers cost requests, never events: an empty page that promises more, a
//     log that ends too early, a cursor that leads in a circle or nowhere, an event
//     without an id or a time, a clock that lies.
//
// It does not depend on what such logs leave open: whether the oldest event comes
// first, whether a cursor outlives its event, how the server answers an unknown cursor.
//
// # What it asks of a log
//
// Events do not change. A changed event is counted, and only its first version is
// delivered. Ids are unique and have at most 255 bytes: a second event with the same id
// is taken for a changed one. An event has the time at which it happened, and becomes
// visible within Overlap of it. Events leave the log oldest first; single ones may
// vanish.
//
// A cursor leads to what is listed behind the page that gave it, and may be requested
// again. An id is requested only if the log's own cursors are ids. The end of the log
// rests on two answers: behind the cursor of the last page nothing follows, or, if that
// page has no cursor, requested again it ends the same.
//
// # A source of your own
//
// Implement Client, and pass it to New:
//
//	cursorlog.New(cursorlog.Options{
//		Settings: s.Settings, Name: "acme", Host: u.Host, Organization: s.Organization,
//		Client: &client{s}, Log: env.Log,
//	})
//
// docs/examples/customsource is a complete source in under 130 lines. Its tests use
// package sourcetest, which scripts a log and its faults.
//
// All lanes of a source share its requests. Sources whose requests the server counts
// together share a Budget, which has the slowest of their rates.
//
// # Files
//
// In the order in which a page meets them:
//
//   - client, http, settings: what a vendor's source says, and the errors of HTTP.
//   - source, reader: what lanes call. A reader alternates between a walk and a handout.
//   - share, budget, requester: one request. Lanes share requests in flight, sources
//     share a budget. freshness computes how late a read may be.
//   - page, clock: what an answer holds, and what time it proves.
//   - walk, order, stretch, end: listing down. order decides how the log lists events,
//     stretch is a page that is kept, end decides whether the log ends here.
//   - doubt, series: a walk that went wrong, and what one walk means for the next.
//   - gap, edge: what is missing, and how far back the log reaches.
//   - memory: what the lane holds of the process's memory meanwhile.
//   - handout, recollection: returning events, and reading again the pages that were
//     not kept.
//   - position, wire: where the lane is, and how that is saved.
//   - progress: what people and metrics see.
package cursorlog
