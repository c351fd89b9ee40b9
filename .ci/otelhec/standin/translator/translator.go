// Package splunk stands in for the module of that name: the form of an event.
package splunk

// Event is an event as HEC's clients send it.
type Event struct {
	Time       float64        `json:"time"`
	Host       string         `json:"host"`
	Source     string         `json:"source"`
	SourceType string         `json:"sourcetype"`
	Index      string         `json:"index"`
	Event      any            `json:"event"`
	Fields     map[string]any `json:"fields"`
}

// IsMetric is false: the tests send no metrics.
func (*Event) IsMetric() bool { return false }

// GetMetricValues returns nothing.
func (*Event) GetMetricValues() map[string]any { return nil }

// HecToOtelAttrs names the attributes that hold the metadata of an event.
type HecToOtelAttrs struct {
	Source     string `mapstructure:"source"`
	SourceType string `mapstructure:"sourcetype"`
	Index      string `mapstructure:"index"`
	Host       string `mapstructure:"host"`
}
