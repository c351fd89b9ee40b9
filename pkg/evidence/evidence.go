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
// # Files
//
// leaf, tree and key are the parts; note is the statement, parse reads it, and event
// carries it. state is what a position keeps, envelope how it keeps it, and settle how it
// changes with each position. writer is what a lane needs for all that.
package evidence
