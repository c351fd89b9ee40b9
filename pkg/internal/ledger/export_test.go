package ledger

// What tests of the package's surface need of its inside.
var (
	Encode = encode
	Decode = decode
)
