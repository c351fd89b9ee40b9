//go:build integration

package ledger_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-siem/sluice/pkg/internal/kafkabroker"
	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
	"github.com/sluice-siem/sluice/pkg/internal/ledger"
	"github.com/sluice-siem/sluice/pkg/setting"
)

// broker is an Apache Kafka. Clients of its plaintext listener may do everything. Users
// of its SASL listener may do only what a test allowed.
type broker struct {
	*kafkabroker.Broker
	plain string // addresses of its listeners
	sasl  string
	far   string // as plain, but the broker advertises the address of proxy
	proxy *proxy
}

// users can log in. Their passwords are their names.
var users = []string{"creator", "tenant"}

func startBroker(t *testing.T, more ...string) *broker {
	t.Helper()
	ports, dir := kafkabroker.FreePorts(t, 4), t.TempDir()
	b := &broker{plain: kafkabroker.Loopback(ports[0]), sasl: kafkabroker.Loopback(ports[2]), far: kafkabroker.Loopback(ports[3])}
	b.proxy = startProxy(t, b.far)
	if err := os.WriteFile(filepath.Join(dir, "more.properties"), []byte(b.properties(ports[1])+strings.Join(more, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.Broker = kafkabroker.Start(t, dir, ports[:2]...)
	return b
}

// properties returns the broker's properties that .ci/kafka has no arguments for.
func (b *broker) properties(controller string) string {
	login := "org.apache.kafka.common.security.plain.PlainLoginModule required"
	for _, user := range users {
		login += fmt.Sprintf(" user_%s=%q", user, user)
	}
	return strings.Join([]string{
		"listeners=PLAINTEXT://" + b.plain + ",CONTROLLER://" + kafkabroker.Loopback(controller) + ",SASL_PLAINTEXT://" + b.sasl + ",FAR://" + b.far,
		"advertised.listeners=PLAINTEXT://" + b.plain + ",SASL_PLAINTEXT://" + b.sasl + ",FAR://" + b.proxy.address(),
		"listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,FAR:PLAINTEXT",
		"inter.broker.listener.name=PLAINTEXT",
		"sasl.enabled.mechanisms=PLAIN",
		"listener.name.sasl_plaintext.plain.sasl.jaas.config=" + login + ";",
		"authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
		"super.users=User:ANONYMOUS",
		"log.cleaner.backoff.ms=200",
		"transaction.abort.timed.out.transaction.cleanup.interval.ms=1000",
	}, "\n") + "\n"
}

// settings returns the settings of a test, with its own topics.
func (b *broker) settings(name string) ledger.Settings {
	return ledger.Settings{
		Cluster:   &kafkaclient.Settings{Brokers: []string{b.plain}},
		Namespace: name, Positions: name + ".positions",
		Topic: name, DeadLetters: name + ".dead-letters", Log: zerolog.Nop(),
	}
}

// as returns settings for a user.
func (b *broker) as(user, name string) ledger.Settings {
	s := b.settings(name)
	s.Cluster = &kafkaclient.Settings{Brokers: []string{b.sasl}, SASL: &kafkaclient.SASL{
		Mechanism: kafkaclient.Plain, Username: user, Password: setting.NewSecret(user),
	}}
	return s
}

func (b *broker) client(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(b.plain)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// create makes a topic, with settings such as "cleanup.policy=compact".
func (b *broker) create(t *testing.T, topic string, partitions int32, config ...string) {
	t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	asked := kmsg.NewCreateTopicsRequestTopic()
	asked.Topic, asked.NumPartitions, asked.ReplicationFactor = topic, partitions, 1
	for _, c := range config {
		name, value, _ := strings.Cut(c, "=")
		set := kmsg.NewCreateTopicsRequestTopicConfig()
		set.Name, set.Value = name, kmsg.StringPtr(value)
		asked.Configs = append(asked.Configs, set)
	}
	req.Topics = append(req.Topics, asked)
	resp, err := req.RequestWith(within(t), b.client(t))
	if err == nil {
		err = kerr.ErrorForCode(resp.Topics[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("creating topic %s: %v", topic, err)
	}
}

// tools maps the commands in Kafka's bin directory to their classes.
var tools = map[string]string{
	"kafka-topics.sh":  "org.apache.kafka.tools.TopicCommand",
	"kafka-configs.sh": "kafka.admin.ConfigCommand",
	"kafka-acls.sh":    "org.apache.kafka.tools.AclCommand",

	"kafka-transactions.sh": "org.apache.kafka.tools.TransactionsCommand",
}

// run runs a command from a hint, as a user who may do everything.
func (b *broker) run(t *testing.T, command string) {
	t.Helper()
	command = strings.ReplaceAll(command, b.sasl, b.plain)
	words := strings.Fields(strings.ReplaceAll(command, "'", ""))
	class, ok := tools[words[0]]
	if !ok {
		t.Fatalf("not a command of Kafka: %q", command)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := kafkabroker.Tool(ctx, class, words[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	b.barrier(t) // Kafka's commands return before the broker acts on them.
}
