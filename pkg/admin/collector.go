package admin

import (
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// collector takes new snapshots at each scrape, so that the lanes do no work for
// metrics between scrapes.
type collector struct{ deps Deps }

// Registry returns the metrics of /metrics: of the lanes and sources of deps, the
// Go runtime and the process.
func Registry(deps Deps) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collector{deps},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return r
}

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range laneMetrics {
		ch <- m.desc
	}
	for _, d := range []*prometheus.Desc{
		ownedDesc, retriesDesc, queuePagesDesc, publishDurationDesc, deadLettersDesc, deadLetterBytesDesc,
		deadLetterLimitDesc, requestBudgetDesc, requestsUsedDesc, answersDesc, buildInfoDesc,
		memoryLimitDesc, memoryHeldDesc, memoryWaitingDesc, reloadSuccessfulDesc, reloadTimeDesc,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	send(ch, buildInfoDesc, prometheus.GaugeValue, 1, c.deps.Version, runtime.Version())
	memory := c.deps.Memory()
	send(ch, memoryLimitDesc, prometheus.GaugeValue, float64(memory.Size))
	send(ch, memoryHeldDesc, prometheus.GaugeValue, float64(memory.Held))
	send(ch, memoryWaitingDesc, prometheus.GaugeValue, float64(memory.Waiting))
	c.collectConfiguration(ch)
	c.collectLanes(ch)
	c.collectSources(ch)
	c.collectDeadLetters(ch)
}

func (c collector) collectLanes(ch chan<- prometheus.Metric) {
	now := time.Now()
	for _, s := range c.deps.Lanes() {
		owned := 1.0
		if s.Elsewhere {
			owned = 0
		}
		send(ch, ownedDesc, prometheus.GaugeValue, owned, s.Lane)
		if s.Elsewhere {
			continue
		}
		for _, m := range laneMetrics {
			if value := m.value(&s, now); !math.IsNaN(value) {
				send(ch, m.desc, m.kind, value, s.Lane)
			}
		}
		for i, stage := range []string{"transform", "publish"} {
			send(ch, queuePagesDesc, prometheus.GaugeValue, float64(s.QueuedPages[i]), s.Lane, stage)
		}
		for _, class := range slices.Sorted(maps.Keys(s.Retries)) {
			send(ch, retriesDesc, prometheus.CounterValue, float64(s.Retries[class]), s.Lane, class)
		}
		h := s.Publish
		metric, err := prometheus.NewConstHistogram(publishDurationDesc, h.Count, h.Sum, h.Buckets, label(s.Lane))
		deliver(ch, publishDurationDesc, metric, err)
		h = s.Lateness
		metric, err = prometheus.NewConstHistogram(latenessDesc, h.Count, h.Sum, h.Buckets, label(s.Lane))
		deliver(ch, latenessDesc, metric, err)
		if a := s.Audits; a != nil {
			send(ch, auditFoundDesc, prometheus.CounterValue, float64(a.Missing), s.Lane, "missing")
			send(ch, auditFoundDesc, prometheus.CounterValue, float64(a.Vanished), s.Lane, "vanished")
			send(ch, auditFoundDesc, prometheus.CounterValue, float64(a.Altered), s.Lane, "altered")
			send(ch, auditFoundDesc, prometheus.CounterValue, float64(a.Unclear), s.Lane, "unclear")
		}
		if c.deps.DeadLetters == nil {
			continue
		}
		letters, err := c.deps.DeadLetters.Count(s.Lane)
		if err != nil {
			ch <- prometheus.NewInvalidMetric(deadLettersDesc, err)
			continue
		}
		send(ch, deadLettersDesc, prometheus.GaugeValue, float64(letters), s.Lane)
	}
}

func (c collector) collectConfiguration(ch chan<- prometheus.Metric) {
	if c.deps.Configuration == nil {
		return
	}
	configuration := c.deps.Configuration()
	send(ch, reloadSuccessfulDesc, prometheus.GaugeValue, number(len(configuration.Refused) == 0))
	send(ch, reloadTimeDesc, prometheus.GaugeValue, float64(configuration.Loaded.UnixMilli())/1000)
}

func (c collector) collectSources(ch chan<- prometheus.Metric) {
	sources := c.deps.Sources()
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		usage := sources[name]
		send(ch, requestBudgetDesc, prometheus.GaugeValue, usage.BudgetLeft, name)
		send(ch, requestsUsedDesc, prometheus.CounterValue, float64(usage.BudgetUsed), name)
		for _, status := range slices.Sorted(maps.Keys(usage.Answers)) {
			send(ch, answersDesc, prometheus.CounterValue, float64(usage.Answers[status]), name, status)
		}
	}
}

func (c collector) collectDeadLetters(ch chan<- prometheus.Metric) {
	if c.deps.DeadLetters == nil {
		return
	}
	send(ch, deadLetterLimitDesc, prometheus.GaugeValue, float64(c.deps.DeadLetters.MaxBytes()))
	size, err := c.deps.DeadLetters.Size()
	if err != nil {
		ch <- prometheus.NewInvalidMetric(deadLetterBytesDesc, err)
		return
	}
	send(ch, deadLetterBytesDesc, prometheus.GaugeValue, float64(size))
}

func send(ch chan<- prometheus.Metric, desc *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
	for i := range labels {
		labels[i] = label(labels[i])
	}
	metric, err := prometheus.NewConstMetric(desc, kind, value, labels...)
	deliver(ch, desc, metric, err)
}

// deliver passes an error on to the scrape, which reports it and shows the other
// metrics.
func deliver(ch chan<- prometheus.Metric, desc *prometheus.Desc, metric prometheus.Metric, err error) {
	if err != nil {
		metric = prometheus.NewInvalidMetric(desc, err)
	}
	ch <- metric
}

// label returns s as valid UTF-8, which Prometheus requires. A custom sink may name
// a class of errors with any bytes.
func label(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
