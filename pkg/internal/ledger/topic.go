package ledger

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// topic is a topic that the ledger needs.
type topic struct {
	name       string
	partitions int32
	config     map[string]string // it is created with these settings and min.insync.replicas
	verify     func(topic kmsg.MetadataResponseTopic, config map[string]string) []fault
}

// fault is what is wrong with a topic, and the command that repairs it.
type fault struct{ what, repair string }

// Settings of a topic, see Kafka's documentation, section Topic Configs.
const (
	cleanup   = "cleanup.policy"
	minISR    = "min.insync.replicas"
	maxBytes  = "max.message.bytes"
	segment   = "segment.bytes"
	dirty     = "min.cleanable.dirty.ratio"
	retention = "retention.ms"
	mostBytes = "retention.bytes"
)

// largestSegment is the largest segment that a topic of positions may have. Kafka never
// compacts the newest segment, and whoever takes a lane reads all of it.
const largestSegment = 64 << 20

// Prepare creates the topics that are missing, and refuses topics whose settings would
// lose what is written to them. Every taking does so too.
func Prepare(ctx context.Context, s Settings) error {
	p, err := (&remote{settings: s}).open()
	if err != nil {
		return err
	}
	defer p.close()
	return p.prepare(ctx)
}

// prepare does what Prepare says, until it has succeeded once.
func (v *view) prepare(ctx context.Context) error {
	if v.verified {
		return nil
	}
	for _, t := range v.topics() {
		if err := v.ensure(ctx, t); err != nil {
			return err
		}
	}
	v.verified = true
	return nil
}

func (r *remote) topics() []topic {
	if r.settings.OwnLog != "" {
		return []topic{r.ownLog()}
	}
	var needed []topic
	if r.settings.Positions != "" {
		needed = append(needed, topic{
			name: r.settings.Positions, partitions: Partitions, verify: r.positionsFaults,
			config: map[string]string{cleanup: "compact", segment: strconv.Itoa(16 << 20), dirty: "0.1"},
		})
	}
	if r.settings.Marks != "" {
		needed = append(needed, topic{
			name: r.settings.Marks, partitions: 1, verify: r.marksFaults,
			config: map[string]string{cleanup: "compact", segment: strconv.Itoa(1 << 20), dirty: "0.1"},
		})
	}
	if r.settings.DeadLetters != "" {
		needed = append(needed, topic{
			name: r.settings.DeadLetters, partitions: 1, verify: r.lettersFaults,
			config: map[string]string{cleanup: "delete", retention: "-1"}, // it is evidence
		})
	}
	return needed
}

func (r *remote) positionsFaults(t kmsg.MetadataResponseTopic, config map[string]string) []fault {
	var faults []fault
	if config[cleanup] != "compact" {
		faults = append(faults, fault{fmt.Sprintf("%s is %s, which deletes positions", cleanup, config[cleanup]), r.alter(t, cleanup+"=compact")})
	}
	if n := len(t.Partitions); n < Partitions {
		faults = append(faults, fault{fmt.Sprintf("it has %d partitions and needs %d", n, Partitions),
			fmt.Sprintf("kafka-topics.sh %s --alter --topic %s --partitions %d", r.bootstrap(), *t.Topic, Partitions)})
	}
	if n := number(config[segment]); n > largestSegment {
		faults = append(faults, fault{fmt.Sprintf("%s is %d, and taking a lane may read as many bytes", segment, n), r.alter(t, fmt.Sprintf("%s=%d", segment, 16<<20))})
	}
	return append(faults, r.commonFaults(t, config)...)
}

func (r *remote) marksFaults(t kmsg.MetadataResponseTopic, config map[string]string) []fault {
	var faults []fault
	if config[cleanup] != "compact" {
		faults = append(faults, fault{fmt.Sprintf("%s is %s, which forgets marks", cleanup, config[cleanup]), r.alter(t, cleanup+"=compact")})
	}
	return append(faults, r.commonFaults(t, config)...)
}

func (r *remote) lettersFaults(t kmsg.MetadataResponseTopic, config map[string]string) []fault {
	var faults []fault
	if strings.Contains(config[cleanup], "compact") {
		faults = append(faults, fault{fmt.Sprintf("%s is %s, which keeps only one dead letter per event", cleanup, config[cleanup]), r.alter(t, cleanup+"=delete,"+retention+"=-1")})
	}
	return append(faults, r.commonFaults(t, config)...)
}

func (r *remote) commonFaults(t kmsg.MetadataResponseTopic, config map[string]string) []fault {
	var faults []fault
	if n := number(config[maxBytes]); n < maxEntry+4<<10 {
		faults = append(faults, fault{fmt.Sprintf("%s is %d", maxBytes, n), r.alter(t, fmt.Sprintf("%s=%d", maxBytes, 1<<20))})
	}
	if isr := number(config[minISR]); replicas(t) >= 3 && isr < 2 {
		faults = append(faults, fault{fmt.Sprintf("%s is %d, so an acknowledged record may be on one broker only", minISR, isr), r.alter(t, minISR+"=2")})
	}
	return faults
}

func (r *remote) alter(t kmsg.MetadataResponseTopic, config string) string {
	return fmt.Sprintf("kafka-configs.sh %s --alter --entity-type topics --entity-name %s --add-config '%s'", r.bootstrap(), *t.Topic, config)
}

func (r *remote) bootstrap() string {
	return "--bootstrap-server " + strings.Join(r.settings.Cluster.Brokers, ",")
}

// number is the value of a numeric setting; 0 if it is no number.
func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return n
}

func replicas(t kmsg.MetadataResponseTopic) int {
	if len(t.Partitions) == 0 {
		return 0
	}
	return len(t.Partitions[0].Replicas)
}

// ensure creates the topic if there is none, and verifies it.
func (v *view) ensure(ctx context.Context, t topic) error {
	described, err := v.metadata(ctx, t.name)
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		if err := v.create(ctx, t); err != nil {
			return err
		}
		described, err = v.awaitLeaders(ctx, t)
	}
	if err != nil {
		return v.explain(fmt.Errorf("topic %s: %w", t.name, err), t.name)
	}
	config, err := v.requestConfig(ctx, t.name)
	if err != nil {
		return err
	}
	return faultsError(t.name, t.verify(described, config))
}

// faultsError reports all faults of a topic at once.
func faultsError(name string, faults []fault) error {
	if len(faults) == 0 {
		return nil
	}
	what, repair := make([]string, len(faults)), make([]string, len(faults))
	for i, f := range faults {
		what[i], repair[i] = f.what, f.repair
	}
	return sink.Destination(fmt.Errorf("topic %s has unfit settings: %s", name, strings.Join(what, "; ")), strings.Join(repair, "; "))
}

// awaitLeaders waits until a new topic has all its partitions, each with a leader. If some
// are still missing at the end, another created the topic with fewer; verify says so.
func (v *view) awaitLeaders(ctx context.Context, t topic) (described kmsg.MetadataResponseTopic, err error) {
	err = eventually(ctx, func() (again bool, err error) {
		described, err = v.metadata(ctx, t.name)
		for _, p := range described.Partitions {
			if err == nil {
				err = kerr.ErrorForCode(p.ErrorCode)
			}
		}
		missing := err == nil && len(described.Partitions) < int(t.partitions)
		return missing || kerr.IsRetriable(err), err
	})
	return described, err
}

// create creates the topic with the cluster's default number of replicas. A request that
// only validates says how many that is. With three or more replicas, two have to be in
// sync.
func (v *view) create(ctx context.Context, t topic) error {
	made, err := v.requestCreate(ctx, t, 0, true)
	if err != nil {
		return err
	}
	isr := 1
	if made.ReplicationFactor >= 3 {
		isr = 2
	}
	if _, err := v.requestCreate(ctx, t, isr, false); err != nil {
		return err
	}
	v.settings.Log.Info().Str("topic", t.name).Int32("partitions", t.partitions).Int16("replicas", made.ReplicationFactor).Int(minISR, isr).Msg("topic created")
	return nil
}

func (v *view) requestCreate(ctx context.Context, t topic, isr int, validate bool) (kmsg.CreateTopicsResponseTopic, error) {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.ValidateOnly = validate
	asked := kmsg.NewCreateTopicsRequestTopic()
	asked.Topic, asked.NumPartitions, asked.ReplicationFactor = t.name, t.partitions, -1
	set := func(name, value string) {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = name, kmsg.StringPtr(value)
		asked.Configs = append(asked.Configs, c)
	}
	for name, value := range t.config {
		set(name, value)
	}
	if isr > 0 {
		set(minISR, strconv.Itoa(isr))
	}
	req.Topics = append(req.Topics, asked)
	resp, err := v.request(ctx, req)
	if err != nil {
		return kmsg.CreateTopicsResponseTopic{}, err
	}
	topics := resp.(*kmsg.CreateTopicsResponse).Topics
	if len(topics) != 1 {
		return kmsg.CreateTopicsResponseTopic{}, fmt.Errorf("creating topic %s: broker answered about %d topics", t.name, len(topics))
	}
	made := topics[0]
	err = kerr.ErrorForCode(made.ErrorCode)
	if err == nil || errors.Is(err, kerr.TopicAlreadyExists) { // another created it in between
		return made, nil
	}
	return made, sink.Destination(fmt.Errorf("creating topic %s: %w", t.name, err), v.byHand(t))
}

// byHand is a hint with the commands that create the topic, or allow Sluice to.
func (r *remote) byHand(t topic) string {
	command := fmt.Sprintf("create the topic: kafka-topics.sh %s --create --topic %s --partitions %d", r.bootstrap(), t.name, t.partitions)
	for _, name := range []string{cleanup, segment, dirty, retention, mostBytes} {
		if value, ok := t.config[name]; ok {
			command += fmt.Sprintf(" --config %s=%s", name, value)
		}
	}
	if len(r.brokers) >= 3 {
		command += " --replication-factor 3 --config " + minISR + "=2"
	}
	return command + fmt.Sprintf("; or allow Sluice to: kafka-acls.sh %s --add --allow-principal %s --operation Create --operation DescribeConfigs --topic %s", r.bootstrap(), r.settings.Cluster.Principal(), t.name)
}

func (v *view) requestConfig(ctx context.Context, name string) (map[string]string, error) {
	req := kmsg.NewPtrDescribeConfigsRequest()
	asked := kmsg.NewDescribeConfigsRequestResource()
	asked.ResourceType = kmsg.ConfigResourceTypeTopic
	asked.ResourceName = name
	asked.ConfigNames = []string{cleanup, minISR, maxBytes, segment}
	req.Resources = append(req.Resources, asked)
	resp, err := v.request(ctx, req)
	if err != nil {
		return nil, err
	}
	config := make(map[string]string)
	for _, resource := range resp.(*kmsg.DescribeConfigsResponse).Resources {
		if err := kerr.ErrorForCode(resource.ErrorCode); err != nil {
			return nil, sink.Destination(fmt.Errorf("verifying topic %s: %w", name, err),
				fmt.Sprintf("allow reading its settings: kafka-acls.sh %s --add --allow-principal %s --operation DescribeConfigs --topic %s", v.bootstrap(), v.settings.Cluster.Principal(), name))
		}
		for _, entry := range resource.Configs {
			if entry.Value != nil {
				config[entry.Name] = *entry.Value
			}
		}
	}
	return config, nil
}
