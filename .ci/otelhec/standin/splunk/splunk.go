// Package splunk stands in for the module of that name: names in HEC's protocol.
package splunk

// Names of attributes, headers and paths.
const (
	DefaultSourceLabel      = "com.splunk.source"
	DefaultSourceTypeLabel  = "com.splunk.sourcetype"
	DefaultIndexLabel       = "com.splunk.index"
	HecTokenLabel           = "com.splunk.hec.access_token"
	HECTokenHeader          = "Splunk"
	HTTPSplunkChannelHeader = "X-Splunk-Request-Channel"
	DefaultRawPath          = "/services/collector/raw"
	DefaultHealthPath       = "/services/collector/health"
	DefaultAckPath          = "/services/collector/ack"
)

// AccessTokenPassthroughConfig makes the receiver keep the token of a request.
type AccessTokenPassthroughConfig struct {
	AccessTokenPassthrough bool `mapstructure:"access_token_passthrough"`
}

// AckRequest is a query of acknowledgements.
type AckRequest struct {
	Acks []uint64 `json:"acks"`
}
