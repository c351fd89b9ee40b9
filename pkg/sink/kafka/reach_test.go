package kafka_test

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/kafka"
)

// doorway is a network in which a cluster answers at another address than it advertises.
type doorway struct {
	kfake.VirtualNetwork
	door string // leads to the first broker
}

var errNowhere = &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "kafka", IsNotFound: true}}

// DialContext reaches the doorway, and the addresses that reachable names.
func (d *doorway) dial(reachable ...string) kafkaclient.Dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == d.door {
			return d.VirtualNetwork.DialContext(ctx, network, "localhost:9092")
		}
		for _, r := range reachable {
			if address == r {
				return d.VirtualNetwork.DialContext(ctx, network, address)
			}
		}
		return nil, errNowhere
	}
}

// The commonest mistake with containers: the broker answers, and advertises an address that
// leads nowhere from here.
func TestCheckReachesWhatBrokersAdvertise(t *testing.T) {
	for _, delivery := range []string{kafka.AtLeastOnce, kafka.ExactlyOnce} {
		for _, tt := range []struct {
			name      string
			reachable []string
			want      []string // in the error; nil: none
		}{
			{"all", []string{"localhost:9092", "localhost:9093"}, nil},
			{"none", nil, []string{
				"checking topic planetscale.audit: broker 0 leads 1 of 2 partitions of topic planetscale.audit and advertises localhost:9092, which cannot be reached: dial: lookup kafka: no such host",
				"; broker 1 leads 1 of 2 partitions of topic planetscale.audit and advertises localhost:9093, which cannot be reached: ",
			}},
			{"one of two", []string{"localhost:9092"}, []string{"broker 1 leads 1 of 2 partitions"}},
		} {
			t.Run(delivery+", "+tt.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					d := doorway{door: "door:9092"}
					c := start(t, kfake.ListenFn(d.Listen), kfake.Ports(9092, 9093), kfake.NumBrokers(2), kfake.SeedTopics(2, topic))
					for n := range int32(2) {
						if err := c.MoveTopicPartition(topic, n, n); err != nil {
							t.Fatal(err)
						}
					}
					began := time.Now()
					_, err := checkOver(t, d.dial(tt.reachable...), delivery)
					if (err == nil) != (tt.want == nil) {
						t.Fatalf("got %v, want %q", err, tt.want)
					}
					for _, want := range tt.want {
						if !strings.Contains(err.Error(), want) {
							t.Errorf("got %v, want %q", err, want)
						}
					}
					if err != nil && !strings.Contains(hint(err), "door:9092 answers, but a client must reach each broker at the address that it advertises: set advertised.listeners of broker ") {
						t.Errorf("hint: got %q", hint(err))
					}
					if took := time.Since(began); took > 6*time.Second {
						t.Errorf("it took %s", took)
					}
				})
			})
		}
	}
}

// The coordinator leads no partition, and cannot be reached.
func TestCheckReachesTheCoordinator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doorway{door: "door:9092"}
		c := start(t, kfake.ListenFn(d.Listen), kfake.Ports(9092, 9093), kfake.NumBrokers(2), kfake.SeedTopics(1, topic))
		leader := c.PartitionInfos(topic)[0].Leader
		other := 1 - leader
		c.ControlKey(kmsg.FindCoordinator.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			resp := req.ResponseKind().(*kmsg.FindCoordinatorResponse)
			for _, key := range req.(*kmsg.FindCoordinatorRequest).CoordinatorKeys {
				found := kmsg.NewFindCoordinatorResponseCoordinator()
				found.Key, found.NodeID, found.Host, found.Port = key, other, "kafka", 29092
				resp.Coordinators = append(resp.Coordinators, found)
			}
			return resp, nil, true
		})
		_, err := checkOver(t, d.dial("localhost:9092", "localhost:9093"), kafka.ExactlyOnce)
		const want = "coordinates the transactions and advertises kafka:29092, which cannot be reached"
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(hint(err), "set advertised.listeners of broker") {
			t.Errorf("got %v with hint %q, want %q", err, hint(err), want)
		}
	})
}

func checkOver(t *testing.T, dial kafkaclient.Dial, delivery string) (string, error) {
	t.Helper()
	s := *kafka.Type.Settings().(*kafka.Settings)
	s.Cluster.Brokers, s.Topic, s.Delivery, s.Compression = []string{"door:9092"}, topic, delivery, "none"
	snk, err := kafka.OpenOver(dial, sink.Env{Lane: "acme/siem", Log: zerolog.New(io.Discard)}, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := snk.Close(); err != nil {
			t.Error(err)
		}
	})
	return snk.(sink.Checker).Check(within(t, time.Minute))
}

// A partition without a leader takes no record.
func TestCheckFindsAPartitionWithoutALeader(t *testing.T) {
	c := start(t)
	c.ControlKey(kmsg.Metadata.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if len(req.(*kmsg.MetadataRequest).Topics) == 0 {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.MetadataResponse)
		described := kmsg.NewMetadataResponseTopic()
		described.Topic = kmsg.StringPtr(topic)
		p := kmsg.NewMetadataResponseTopicPartition()
		p.Partition, p.Leader, p.ErrorCode = 2, -1, kerr.LeaderNotAvailable.Code
		described.Partitions = append(described.Partitions, p)
		resp.Topics = append(resp.Topics, described)
		return resp, nil, true
	})
	_, err := open(t, settings(c)).(sink.Checker).Check(within(t, 20*time.Second))
	if err == nil || !strings.Contains(err.Error(), "partition 2 has no leader") || !strings.Contains(hint(err), "which broker is down") {
		t.Errorf("got %v with hint %q", err, hint(err))
	}
}

// A port that is no listener of Kafka is told within seconds, with what it did.
func TestCheckOfAPortThatDoesNotAnswer(t *testing.T) {
	const soon = 11 * time.Second
	for name, tt := range map[string]struct {
		serve      func(net.Conn) // nil: nobody takes the connection
		text, hint string
	}{
		"nobody takes the connection": {nil, "broker door:9092: nothing took the connection within 10s", "through all firewalls"},
		"silence": {func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
			"broker door:9092: the port took the connection and did not answer as Kafka within 10s", "a TLS listener needs tls (tls: {} without options). A firewall or a proxy"},
		"half an answer":      {answer("\x00\x00\x00"), "the port took the connection and closed it without an answer", "a TLS listener needs tls"},
		"a closed connection": {answer(""), "the port took the connection and closed it without an answer", "a TLS listener needs tls"},
		"an alert of TLS":     {answer("\x15\x03\x03\x00\x02\x02\x46"), "the port speaks TLS, and the configuration does not", "set tls, or tls: {}"},
		"HTTP":                {answer("HTTP/1.1 400 Bad Request\r\n"), `something that is not Kafka listens there: its answer begins with "HTTP/1.1"`, "check host and port"},
		"another answer":      {answer("\x00\x00\x00\x0a\x00\x00\x00\x07"), "something that is not Kafka listens there", "check host and port"},
	} {
		for _, delivery := range []string{kafka.AtLeastOnce, kafka.ExactlyOnce} {
			t.Run(name+", "+delivery, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					began := time.Now()
					_, err := checkOver(t, func(ctx context.Context, _, _ string) (net.Conn, error) {
						if tt.serve == nil {
							<-ctx.Done()
							return nil, &net.OpError{Op: "dial", Err: ctx.Err()}
						}
						ours, theirs := net.Pipe()
						go func() { defer theirs.Close(); tt.serve(theirs) }()
						return ours, nil
					}, delivery)
					if err == nil || !strings.Contains(err.Error(), tt.text) || !strings.Contains(hint(err), tt.hint) {
						t.Errorf("got %v with hint %q", err, hint(err))
					}
					if took := time.Since(began); took > soon {
						t.Errorf("it took %s", took)
					}
				})
			})
		}
	}
}

// answer answers the first request, and closes the connection.
func answer(text string) func(net.Conn) {
	return func(c net.Conn) {
		request := make([]byte, 1024)
		if _, err := c.Read(request); err == nil {
			_, _ = io.WriteString(c, text)
		}
	}
}

func TestCheckOfAPortOfTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	s := *kafka.Type.Settings().(*kafka.Settings)
	s.Cluster.Brokers, s.Topic = []string{server.Listener.Addr().String()}, topic
	_, err := open(t, s).(sink.Checker).Check(within(t, time.Minute))
	if err == nil || !strings.Contains(hint(err), "a TLS listener needs tls") {
		t.Errorf("got %v with hint %q, want a hint at TLS", err, hint(err))
	}
}

// One broker of several that does not answer is a warning.
func TestCheckWarnsOfOneSilentBroker(t *testing.T) {
	c := start(t)
	s := settings(c)
	s.Cluster.Brokers = append(s.Cluster.Brokers, "127.0.0.1:1")
	line, err := open(t, s).(sink.Checker).Check(within(t, 20*time.Second))
	if err != nil || !strings.Contains(line, "; warning: broker 127.0.0.1:1: dial tcp 127.0.0.1:1: connect: connection refused") {
		t.Errorf("got %q, %v", line, err)
	}
}

// A lane says the same of a silent port as Check does.
func TestPublishToAPortThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := *kafka.Type.Settings().(*kafka.Settings)
		s.Cluster.Brokers, s.Topic, s.Delivery, s.Compression = []string{"door:9092"}, topic, kafka.AtLeastOnce, "none"
		snk, err := kafka.OpenOver(func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, theirs) }()
			return ours, nil
		}, sink.Env{Lane: "acme/siem", Log: zerolog.New(io.Discard)}, s)
		if err != nil {
			t.Fatal(err)
		}
		err = snk.Publish(within(t, time.Minute), batch(0, 1, 1, 50))
		if err == nil || !strings.Contains(err.Error(), "connecting to broker door:9092: the port took the connection and did not answer as Kafka") ||
			!strings.Contains(hint(err), "a TLS listener needs tls") || class(err) == "destination" {
			t.Errorf("got %v of class %q with hint %q", err, class(err), hint(err))
		}
		if err := snk.Close(); err != nil {
			t.Error(err)
		}
	})
}
