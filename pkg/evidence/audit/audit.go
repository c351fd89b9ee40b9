// Package audit finds out whether a lane settled every event that its source lists, and
// whether the source still lists what the lane settled.
//
// A lane counts what it settles (Hours): for each hour the number of events, and three sums
// of hashes of their ids and bytes. An event counts in the hour in which it happened,
// however late it came, and whether it was delivered, filtered or rejected. The position
// keeps the sums, and a save that covers an event covers its count.
//
// An audit lists the whole log again and counts in the same way (Count). Sums that are
// equal mean equal events. Where they differ, the audit lists the log once more and looks
// at the events of those hours (Survey). From the difference of two sums follows what
// happened: one event that is missing, vanished or altered is told apart from all others,
// and so are a few missing ones (see Solve). Of more events only the hour is known.
//
// # What is compared
//
// Only hours are compared that cannot change any more: those whole below the floor of the
// lane's position, since the lane settles nothing below it, and above the oldest event that
// is listed, since a log loses its oldest events first. So an audit needs no clock and
// depends on no order. An event whose own time is not usable counts nowhere.
//
// # Files
//
// sum is the arithmetic, hours what a position keeps, envelope how it keeps it. survey lists,
// solve tells events apart, result says what was found, event tells it.
package audit
