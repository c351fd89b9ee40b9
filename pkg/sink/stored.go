package sink

import "context"

// Stored is a record as its destination keeps it.
type Stored struct {
	Record        // its body, and of the other fields what the destination keeps beside the body
	Lane   string // such as "acme/siem"; empty if the destination does not keep it
	Place  string // where it is, such as a file, a partition or an object
	Line   int64  // which one it is there, such as a line or an offset
}

// Readable may be implemented by a sink's settings, if the records that the destination
// holds can be read back. ReadBack calls each for all that the lanes of one sink may have
// published, in any order, and for what else is there that could be taken for it. each may
// keep the record. An error of each ends ReadBack, which returns it.
//
// What is read judges what was published. So ReadBack uses as little of the code that
// publishes as it can, believes nothing that it reads, and fails if it could not read all.
// A damaged part that it has to leave out is a warning through Env.Log.
type Readable interface {
	ReadBack(ctx context.Context, lanes []Env, access Access, each func(Stored) error) error
}

// Access is how to read where a sink's own settings do not allow it.
type Access struct {
	URL   string // scheme, host and port; empty: that of the settings
	Token string // empty: the credential of the settings
}

// Exportable may be implemented by the settings of a sink that is not Readable. Export
// returns what people export from the destination instead, as an advice.
type Exportable interface{ Export() string }
