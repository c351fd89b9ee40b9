package kafka

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
)

// Check asks for the topic, for permission to write to it and for a producer id, and
// whether the leaders of its partitions can be reached. It publishes nothing. The line also warns if the topic's configuration, as far as it
// may be read, weakens the sink's guarantee.
func (k *kafka) Check(ctx context.Context) (string, error) {
	silent, err := k.settings.Cluster.Probe(ctx, k.over.dial)
	if err != nil {
		return "", err
	}
	line, err := k.checkTopic(ctx)
	if err == nil && len(silent) > 0 {
		line += "; warning: " + strings.Join(silent, "; ")
	}
	return line, err
}

func (k *kafka) checkTopic(ctx context.Context) (string, error) {
	c, err := k.connect()
	if err != nil {
		return "", err
	}
	line, err := k.check(ctx, c)
	if err == nil {
		return line, nil
	}
	if trouble := c.Trouble(); trouble != nil {
		err = fmt.Errorf("%w: %w", err, trouble)
	}
	k.discard(c)
	err = fmt.Errorf("checking topic %s: %w", k.settings.Topic, err)
	return "", k.settings.Cluster.Explain(err, k.settings.Topic)
}

func (k *kafka) check(ctx context.Context, c *kafkaclient.Client) (string, error) {
	topic, leaders, err := k.metadata(ctx, c)
	if err != nil {
		return "", err
	}
	if err := k.settings.Cluster.Reach(ctx, k.over.dial, leaders); err != nil {
		return "", err
	}
	if _, _, err := c.ProducerID(ctx); err != nil {
		return "", err
	}
	config, err := k.configuration(ctx, c)
	if err != nil {
		return "", err
	}
	return k.describe(topic, config), nil
}

// metadata asks for the topic, who leads its partitions, and whether the sink may write to
// it. A broker before Kafka 2.3 does not answer the last; then the first Publish finds out.
func (k *kafka) metadata(ctx context.Context, c *kafkaclient.Client) (topic kmsg.MetadataResponseTopic, leaders []kafkaclient.Member, err error) {
	req := kmsg.NewPtrMetadataRequest()
	asked := kmsg.NewMetadataRequestTopic()
	asked.Topic = kmsg.StringPtr(k.settings.Topic)
	req.Topics = append(req.Topics, asked)
	req.IncludeTopicAuthorizedOperations = true
	resp, err := req.RequestWith(ctx, c)
	if err != nil {
		return topic, nil, err
	}
	if len(resp.Topics) != 1 {
		return topic, nil, fmt.Errorf("broker described %d topics, want one", len(resp.Topics))
	}
	topic = resp.Topics[0]
	if err := kerr.ErrorForCode(topic.ErrorCode); err != nil {
		return topic, nil, err
	}
	const unknown = math.MinInt32 // MetadataResponse, topic_authorized_operations
	if ops := topic.AuthorizedOperations; ops != unknown && ops&(1<<kmsg.ACLOperationWrite) == 0 {
		return topic, nil, fmt.Errorf("principal may not write: %w", kerr.TopicAuthorizationFailed)
	}
	leaders, err = kafkaclient.Leaders(topic, resp.Brokers)
	return topic, leaders, err
}

// configuration returns the topic's settings that matter to the sink. It returns
// none if the sink may not read them, since publishing does not need that
// permission.
func (k *kafka) configuration(ctx context.Context, c *kafkaclient.Client) (map[string]int, error) {
	req := kmsg.NewPtrDescribeConfigsRequest()
	asked := kmsg.NewDescribeConfigsRequestResource()
	asked.ResourceType = kmsg.ConfigResourceTypeTopic
	asked.ResourceName = k.settings.Topic
	asked.ConfigNames = []string{minISR, maxBytes}
	req.Resources = append(req.Resources, asked)
	resp, err := req.RequestWith(ctx, c)
	if err != nil {
		return nil, err
	}
	config := make(map[string]int)
	for _, resource := range resp.Resources {
		for _, entry := range resource.Configs {
			if entry.Value == nil {
				continue
			}
			if n, err := strconv.Atoi(*entry.Value); err == nil {
				config[entry.Name] = n
			}
		}
	}
	return config, nil
}

// Settings of a topic (Kafka's documentation, section Topic Configs).
const (
	minISR   = "min.insync.replicas"
	maxBytes = "max.message.bytes"
)

// describe describes the topic in one line, with warnings last.
func (k *kafka) describe(topic kmsg.MetadataResponseTopic, config map[string]int) string {
	replicas := math.MaxInt
	for _, p := range topic.Partitions {
		replicas = min(replicas, len(p.Replicas))
	}
	line := fmt.Sprintf("topic %s: %d partitions, %d replicas", k.settings.Topic, len(topic.Partitions), replicas)
	var warnings []string
	if isr, ok := config[minISR]; ok {
		line += fmt.Sprintf(", %s %d", minISR, isr)
		if isr == 1 && replicas > 1 {
			warnings = append(warnings, minISR+" is 1: an acknowledged record may be on one broker only; 2 is safer")
		}
	}
	if replicas == 1 {
		warnings = append(warnings, "each record is on one broker only")
	}
	if limit, ok := config[maxBytes]; ok && limit < int(k.settings.batchBytes()) {
		warnings = append(warnings, fmt.Sprintf("%s is %d: raise it to %d, or lower max_record_bytes to %d",
			maxBytes, limit, k.settings.batchBytes(), int(k.settings.MaxRecordBytes)-(int(k.settings.batchBytes())-limit)))
	}
	if len(warnings) > 0 {
		line += "; warning: " + strings.Join(warnings, "; ")
	}
	return line
}
