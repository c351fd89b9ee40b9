package ledger

// Tests in package ledger_test need these names.
var (
	Encode = encode
	Decode = decode
)
