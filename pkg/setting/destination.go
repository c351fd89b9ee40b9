package setting

// Destination may be implemented by the settings of a sink. It returns where the sink
// delivers to, for people, such as "kafka:9092, topic audit". It must not hold a secret,
// also where settings are wrong: no user information of a URL, and no part of a path that
// may be a credential.
type Destination interface{ Destination() string }

// Rotating is implemented by the settings of a source or sink that keeps a former
// credential while a changed one is refused. SentTo returns where it sends the credential,
// so that another place never gets the former one.
type Rotating interface {
	Rotation() *Rotation
	SentTo() string
}
