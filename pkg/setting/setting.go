// Package setting holds the building blocks of the settings of sources and sinks:
// values that are more than a string or a number, and errors that point at a
// key. Custom sinks use it as the built-in ones do.
//
// Settings are a struct with yaml tags. The literal passed to sink.NewType or
// source.NewType holds the defaults:
//
//	type Settings struct {
//		URL     string           `yaml:"url" required:"true" doc:"Address of the server, which begins with https://."`
//		Token   setting.Secret   `yaml:"token" required:"true" doc:"Its token."` // accepts token or token_file
//		Timeout setting.Duration `yaml:"timeout" doc:"How long a request may take."`
//		Mode    string           `yaml:"mode" values:"fast|safe" doc:"safe waits until the server has written an event to its disk."`
//		TLS     setting.TLS      `yaml:"tls" doc:"How TLS verifies the server."`
//	}
//
// A field may be a string, a bool, a number, a struct, a pointer, a slice, a
// map from strings, any encoding.TextUnmarshaler, or a Secret. Fields of an
// embedded struct, or of one tagged ",inline", are keys of the outer one. A
// list or a map in the configuration replaces its default; a struct replaces its
// default key by key.
//
// # Documentation
//
// The tags of a field are the documentation of its key. sluice schema, which editors and
// pipelines use, and the generated pages are made of them:
//
//	doc       what the key means, with its unit and limits, in whole sentences
//	default   the default in words, if the literal with the defaults does not show it
//	required  when the key must be there (below)
//	values    all values that a text or a number may have, with | between them
//	pattern   a regular expression of each text, or of each text of a list
//	least     the least number, or the least number of characters or of items
//
// required is "true", or one of:
//
//	with KEY             if KEY is given
//	unless KEY           if KEY is not given; both together are wrong
//	if KEY=VALUE|VALUE   if KEY has one of the values; with any other value it is wrong
//
// Sluice enforces required before it runs: a key without a value is a problem at its line,
// unless Validate has reported that key, which can say more. The keys of a pointer to a
// struct, or of a struct in a list, are required where that is given. Validate checks what
// the other tags say.
//
// # Validation
//
// Settings that can be wrong have a method Validate. It is called once the fields
// are set, and its errors name their keys with Invalid:
//
//	func (s *Settings) Validate() []error
//
// Validate should report every problem at once. A nested struct has its own
// Validate, which is called too, so the outer one need not repeat its checks.
// Nothing in this package depends on how a configuration is read.
//
// A client describes its server as a Peer, which explains to people why a connection fails:
//
//	peer := setting.Peer{Name: "server", Address: s.URL, TLS: &s.TLS, Plain: "write http:// in url", Encrypted: "write https:// in url"}
//	if a := peer.Explain(err); a.Stays {
//		return sink.Destination(err, a.Hint)
//	}
//
// Errors of Validate and UnmarshalText say what is wrong and, after a semicolon, what
// to write: "has no port; write host:port, such as kafka:9092". They are shown without
// the configured values, since any value may be a secret in the wrong place; the file,
// line and key are enough to find it. The configuration removes text in double quotes
// and the address of a net.AddrError. It shows the path of an fs.PathError only if that
// cannot be a secret. Settings with a token call Secret.CheckToken in Validate.
//
// # Files
//
// secret, rotation and credential are about secrets; tls, server_tls, transport, certificate
// and proxy about connections, and peer explains their errors. quantity has durations and
// sizes. destination, question and alert are what settings may say of themselves.
package setting

// KeyError is an error about one key of some settings.
type KeyError struct {
	Key string // relative to the settings, such as "sasl.username" or "brokers[0]"
	Err error
}

func (e *KeyError) Error() string { return e.Key + ": " + e.Err.Error() }
func (e *KeyError) Unwrap() error { return e.Err }

// Invalid returns an error about the value of key, which is wrong or missing. The
// key is relative to the settings whose Validate returns the error, and is written
// as in the configuration: "topic", "sasl.username", "brokers[0]".
func Invalid(key string, err error) error {
	if err == nil {
		return nil
	}
	return &KeyError{Key: key, Err: err}
}

// Form says which texts are values of a type.
type Form struct {
	Name    string   // what documentation calls it, such as "duration"
	Pattern string   // a regular expression of Go and of JSON Schema alike; empty: any text
	Values  []string // all values, if they can be listed; then Name and Pattern are empty
	Number  bool     // a whole number without quotes is a value, too
}

// Formed may be implemented by types with a method UnmarshalText, to say in documentation
// and in the JSON Schema what that method accepts. Form is called on the zero value.
type Formed interface{ Form() Form }
