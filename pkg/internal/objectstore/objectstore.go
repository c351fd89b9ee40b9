// Package objectstore keeps objects in a store such as S3, for what must be safe there:
// the records, positions and leases of lanes. It asks for the few operations that every
// such store has, and for one that most have: to create an object only if its key is free.
// Of all who create the same key, one succeeds. That is all that the packages on top of
// it need to agree on anything.
//
// # What a store promises
//
//   - An object that was created or put is there for every later Read, Head and List,
//     whoever asks (Amazon S3, "Data consistency model").
//   - Create succeeds once for a key, until the object is deleted.
//   - List returns the keys of a folder, which differ only behind their last slash, in the
//     order of their bytes. Stores differ in how they order folders among each other, so
//     nothing here lists more than one.
//
// # What may go wrong
//
// An error tells nothing of whether the operation took place, unless it is ErrExists or
// ErrNotFound. The answer may be lost after the store wrote the object. Worse, a request
// may arrive late: after its sender gave up, asked again, or died. So a write that failed
// may still take place at any later time, and whoever needs to know creates the key
// itself, with other content, and sees who was first.
//
// A store never retries: the lane does. Each error has a hint where a person can do
// something.
//
// # Files
//
//   - what users of a store know: objectstore.go, and error.go, what goes wrong
//   - what all stores share: place.go has the keys, request.go sends requests, explain.go
//     judges answers (and has what S3 answers), token.go keeps tokens of OAuth 2
//   - S3: s3.go, identity.go finds credentials, settings.go; bucket.go has the operations,
//     which Google Cloud Storage shares
//   - Google Cloud Storage: gcs.go, gcs_token.go
//   - Azure Blob Storage: azure.go, azure_identity.go
package objectstore

import (
	"context"
	"time"
)

// Store is a bucket of a store, or the part of it under a prefix. Keys are relative to
// that, and have no slash at either end. Its methods may be called concurrently, and
// return soon after ctx ended.
type Store interface {
	// Create writes an object, unless there is one with this key: then the error is
	// ErrExists. Any other error leaves open whether it was or will be written.
	Create(ctx context.Context, key string, o Object) error

	// Put writes an object, in place of any other with this key.
	Put(ctx context.Context, key string, o Object) error

	// Read returns an object. It is an error if its body exceeds MaxBody.
	Read(ctx context.Context, key string) (Object, error)

	// Head returns what is known of an object, without its body. It is ErrNotFound if
	// there is none.
	Head(ctx context.Context, key string) (Info, error)

	// List returns at most Page objects of the folder prefix, which ends in a slash: those
	// whose keys come after the key after, in the order of the keys' bytes. more reports
	// whether there are others behind them: without objects it is false, also if the store
	// answers with an empty page first. It does not return Metadata.
	List(ctx context.Context, prefix, after string) (infos []Info, more bool, err error)

	// Delete removes an object. It is no error if there is none.
	Delete(ctx context.Context, key string) error

	// Reach checks that the store can be reached, knows the bucket and accepts the
	// credentials. It writes nothing.
	Reach(ctx context.Context) error

	// String is where the objects are, for people, such as s3://bucket/prefix.
	String() string
}

// Page is the most objects that List returns.
const Page = 1000

// MaxBody is the largest body that Read returns.
const MaxBody = 256 << 20

// Object is what is written under a key. Body is read only until the operation returns.
type Object struct {
	Body     []byte
	Type     string            // media type, such as application/json
	Metadata map[string]string // keys in lower case, with - between words; values in printable ASCII; 2 KB together
	Class    string            // storage class; empty: that of the bucket

	// Lock returns the retention of an object that is sent at a time, each time that it is
	// sent. Nil: what the bucket's default retention says.
	Lock func(sent time.Time) *Lock
}

// Lock keeps an object from being deleted or replaced (S3 Object Lock).
type Lock struct {
	Mode  string // GOVERNANCE or COMPLIANCE
	Until time.Time
}

// Info is what a store knows of an object.
type Info struct {
	Key      string
	Size     int64
	Modified time.Time // when it was written, by the clock of the store
	Metadata map[string]string
}
