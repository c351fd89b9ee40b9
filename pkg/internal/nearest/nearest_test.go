package nearest_test

import (
	"testing"

	"github.com/sluice-siem/sluice/pkg/internal/nearest"
)

func TestWord(t *testing.T) {
	known := []string{"file", "kafka", "splunk_hec", "stdout", "syslog"}
	for _, tt := range []struct{ word, want string }{
		{"kafak", "kafka"}, {"Kafka", "kafka"}, {"kfka", "kafka"}, {"stdou", "stdout"},
		{"splunk", ""}, {"", ""}, {"ka", ""}, {"elasticsearch", ""}, {"kafka-with-more", ""}, {"my-splunk_hec-token", ""},
	} {
		if got := nearest.Word(tt.word, known); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.word, got, tt.want)
		}
	}
}

func TestWordOrPart(t *testing.T) {
	known := []string{"kafka", "splunk_hec", "syslog"}
	for _, tt := range []struct{ word, want string }{
		{"kafak", "kafka"}, {"splunk", "splunk_hec"}, {"HEC", "splunk_hec"}, {"log", "syslog"}, {"kafka_tls", "kafka"}, {"ka", ""}, {"my-splunk_hec-token", ""},
	} {
		if got := nearest.WordOrPart(tt.word, known); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.word, got, tt.want)
		}
	}
}
