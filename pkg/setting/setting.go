// Package setting holds what the settings of sources and sinks are made of:
// values that are more than a string or a number, and errors that point at a
// key. Custom sinks use it as ours do.
//
// Settings are a struct with yaml tags, whose defaults stand in the literal
// handed to sink.NewType or source.NewType:
//
//	type Settings struct {
//		URL     string           `yaml:"url"`
//		Token   setting.Secret   `yaml:"token"` // accepts token or token_file
//		Timeout setting.Duration `yaml:"timeout"`
//		TLS     setting.TLS      `yaml:"tls"`
//	}
//
// A field may be a string, a bool, a number, a struct, a pointer, a slice, a
// map from strings, any encoding.TextUnmarshaler, or a Secret. Fields of an
// embedded struct, or of one tagged ",inline", are keys of the outer one. A
// list or a map in the configuration replaces its default, a struct is filled
// over its default key by key.
//
// Settings that can be wrong say so in a method, which is called once the
// fields are set, and whose errors name their keys by Invalid:
//
//	func (s *Settings) Validate() []error
//
// It should report every problem at once, and leave to Validate of a nested
// struct, which is called for itself, what that can judge. Nothing in this
// package depends on how a configuration is read.
//
// Errors of Validate and UnmarshalText do not show what was configured, since any
// value may be a secret that was written in the wrong place: file, line and key
// lead to it. A configuration takes out what stands in double quotes, and what an
// fs.PathError or a net.AddrError is about.
package setting

// KeyError is an error about one key of some settings.
type KeyError struct {
	Key string // relative to the settings, such as "sasl.username" or "brokers[0]"
	Err error
}

func (e *KeyError) Error() string { return e.Key + ": " + e.Err.Error() }
func (e *KeyError) Unwrap() error { return e.Err }

// Invalid says that what the settings hold under key is wrong or missing. The
// key is relative to the settings whose Validate returns the error, and written
// as in the configuration: "topic", "sasl.username", "brokers[0]".
func Invalid(key string, err error) error {
	if err == nil {
		return nil
	}
	return &KeyError{Key: key, Err: err}
}
