package kafka_test

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-siem/sluice/pkg/sink"
)

func TestCheck(t *testing.T) {
	tests := []struct {
		name   string
		config map[string]string
		want   []string
		not    []string
	}{
		{
			"says what it saw", map[string]string{"min.insync.replicas": "2"},
			[]string{"topic planetscale.audit: 3 partitions, 3 replicas, min.insync.replicas 2"}, []string{"warning"},
		},
		{
			"warns where one broker is enough", map[string]string{"min.insync.replicas": "1"},
			[]string{"warning: min.insync.replicas is 1"}, nil,
		},
		{
			"warns of a topic that takes less than configured", map[string]string{"min.insync.replicas": "2", "max.message.bytes": "500000"},
			[]string{"warning: max.message.bytes is 500000: raise it to 1048588, or lower max_record_bytes to 495892"}, nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := start(t, kfake.NumBrokers(3), kfake.SeedTopics(1, "another"))
			if err := c.DeleteTopic(topic); err != nil {
				t.Fatal(err)
			}
			if err := c.CreateTopic(topic, 3, tt.config); err != nil {
				t.Fatal(err)
			}
			line, err := open(t, settings(c)).(sink.Checker).Check(within(t, 10*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.want {
				if !strings.Contains(line, want) {
					t.Errorf("got %q, want %q in it", line, want)
				}
			}
			for _, not := range tt.not {
				if strings.Contains(line, not) {
					t.Errorf("got %q, want no %q in it", line, not)
				}
			}
		})
	}

	t.Run("succeeds without permission to read the configuration", func(t *testing.T) {
		c := start(t)
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeConfigs}, Err: kerr.TopicAuthorizationFailed})
		line, err := open(t, settings(c)).(sink.Checker).Check(within(t, 10*time.Second))
		if err != nil || !strings.Contains(line, "3 partitions, 1 replicas; warning: each record is on one broker only") {
			t.Errorf("got %q and %v, want what could be seen", line, err)
		}
	})

	t.Run("finds no topic, and finds it later", func(t *testing.T) {
		c := start(t, kfake.SeedTopics(1, "another"))
		s := settings(c)
		s.Topic = "missing"
		snk := open(t, s)
		_, err := snk.(sink.Checker).Check(within(t, 10*time.Second))
		expectDestination(t, err, kerr.UnknownTopicOrPartition, "--create --topic missing")
		if err := c.CreateTopic("missing", 3, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := snk.(sink.Checker).Check(within(t, 10*time.Second)); err != nil {
			t.Error(err)
		}
	})

	t.Run("finds no broker", func(t *testing.T) {
		c := start(t)
		s := settings(c)
		c.Close()
		_, err := open(t, s).(sink.Checker).Check(within(t, time.Second))
		if err == nil || !strings.Contains(hint(err), "advertised.listeners") {
			t.Errorf("got %v with hint %q, want an error with a hint at the brokers", err, hint(err))
		}
	})
}
