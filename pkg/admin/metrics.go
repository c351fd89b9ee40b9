package admin

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-siem/sluice/pkg/pipeline"
)

// The names in this file are part of the contract: dashboards and alerts of
// users are built on them.

// laneMetric is a metric with one number for each lane; NaN is not shown.
type laneMetric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(s *pipeline.Status, now time.Time) float64
}

func laneCounter(name, help string, value func(s *pipeline.Status) uint64) laneMetric {
	return laneMetric{desc(name, help, "lane"), prometheus.CounterValue, func(s *pipeline.Status, _ time.Time) float64 {
		return float64(value(s))
	}}
}

func laneGauge(name, help string, value func(s *pipeline.Status, now time.Time) float64) laneMetric {
	return laneMetric{desc(name, help, "lane"), prometheus.GaugeValue, value}
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var laneMetrics = []laneMetric{
	laneCounter("sluice_events_read_total",
		"Events that the lane read. If it stands still while the organization is busy, look at sluice_last_read_age_seconds and /readyz.",
		func(s *pipeline.Status) uint64 { return s.Read }),
	laneCounter("sluice_events_unmapped_total",
		"Events whose action the catalogue does not know; they were delivered, and their records say so. If it grows, upgrade sluice or add the action to a catalogue file.",
		func(s *pipeline.Status) uint64 { return s.Unmapped }),
	laneCounter("sluice_events_filtered_total",
		"Events that the sink was not sent, since its where: was false for them. Once a lane has caught up, sluice_events_read_total is this, sluice_records_published_total and sluice_records_rejected_total together. If it grows by more than is meant, look at the expression.",
		func(s *pipeline.Status) uint64 { return s.Filtered }),
	laneCounter("sluice_events_unprepared_total",
		"Events on which where: failed, or that a damaged database could not enrich; they were delivered. If it grows, the log says why.",
		func(s *pipeline.Status) uint64 { return s.Unprepared }),
	laneCounter("sluice_records_truncated_total",
		"Records in which values were shortened or left out to keep to a limit of the format or the sink; they say so themselves. If it grows, raise the sink's limit where the destination allows it.",
		func(s *pipeline.Status) uint64 { return s.Truncated }),
	laneCounter("sluice_records_published_total",
		"Records that the sink took responsibility for. If it falls behind sluice_events_read_total for long, the sink is slow or refuses: see /readyz.",
		func(s *pipeline.Status) uint64 { return s.Published }),
	laneCounter("sluice_records_rejected_total",
		"Records that the sink refused for good and that became dead letters. If it grows, run `sluice deadletter list` for the reasons.",
		func(s *pipeline.Status) uint64 { return s.Rejected }),
	laneCounter("sluice_gaps_total",
		"Gaps found: the log no longer reached back to where the lane stopped, so events are missing. If it grows, run sluice without long stops and alert on sluice_retention_left_seconds.",
		func(s *pipeline.Status) uint64 { return s.Reader.Gaps }),
	laneCounter("sluice_events_changed_total",
		"Events that were seen again with other content; the first version was delivered. If it grows, compare these events with the source.",
		func(s *pipeline.Status) uint64 { return s.Reader.Changed }),
	laneCounter("sluice_events_late_total",
		"Events that the source listed after later ones; they were delivered. If it grows fast, consider a longer overlap.",
		func(s *pipeline.Status) uint64 { return s.Reader.LateEvents }),
	laneCounter("sluice_walks_failed_total",
		"Walks over the log that were discarded because the source failed or contradicted itself. If it keeps growing, look at the log and at sluice_api_answers_total.",
		func(s *pipeline.Status) uint64 { return s.Reader.WalksFailed }),
	laneGauge("sluice_lag_seconds",
		"How old the oldest event is that waits to be delivered, 0 if none is known to. If it grows while sluice_lane_catching_up is 0, the lane stands still: see /readyz.",
		func(s *pipeline.Status, _ time.Time) float64 { return s.Lag.Seconds() }),
	laneGauge("sluice_last_read_age_seconds",
		"Time since the last successful read, +Inf if there was none since the start. If it exceeds a few poll intervals, the source cannot be read: see /readyz for the reason.",
		lastReadAge),
	laneGauge("sluice_retention_left_seconds",
		"Time until the source's retention passes the saved position, +Inf if never. If it nears 0, events are about to be lost: bring the lane up now.",
		retentionLeft),
	laneGauge("sluice_overlap_effective_seconds",
		"How late an event may be listed and is still delivered. If it is below the configured overlap, more events fall within it than a position can name: shorten the overlap knowingly.",
		overlap),
	laneGauge("sluice_queue_bytes",
		"Bytes that wait between reading and publishing. If it stays at its limit, the sink is slower than the source.",
		func(s *pipeline.Status, _ time.Time) float64 { return float64(s.QueuedBytes) }),
	laneGauge("sluice_lane_ready",
		"1 if the lane reads and its sink accepts, else 0. If 0, /readyz and the status page say why.",
		func(s *pipeline.Status, _ time.Time) float64 { return number(s.Ready) }),
	laneGauge("sluice_lane_resting",
		"1 if the lane cannot go on and rests until it is tried again, else 0. If 1, /readyz says why and what to do: most often its checkpoint is not usable.",
		func(s *pipeline.Status, _ time.Time) float64 { return number(s.Resting) }),
	laneGauge("sluice_lane_catching_up",
		"1 while older events are known to wait, else 0. If it stays 1, the lane is slower than its source: raise requests_per_minute or speed up the sink.",
		func(s *pipeline.Status, _ time.Time) float64 { return number(s.CatchingUp) }),
}

var (
	ownedDesc = desc("sluice_lane_owned",
		"1 if this instance runs the lane, 0 if another replica is to. If the sum over all replicas is not 1 for longer than half a minute, nobody or more than one runs it: see /readyz of each.",
		"lane")
	retriesDesc = desc("sluice_retries_total",
		"Failures that another attempt follows, by class. If it keeps growing, the class says where to look: at the source, the sink, the dead letters or the state directory.",
		"lane", "class")
	queuePagesDesc = desc("sluice_queue_pages",
		"Pages that wait for a stage of the lane. If those for publish stay many, the sink is the bottleneck; if those for transform do, the CPU is.",
		"lane", "stage")
	publishDurationDesc = desc("sluice_publish_duration_seconds",
		"How long the sink takes for a batch. If it rises, look at the destination and the network to it.",
		"lane")
	deadLettersDesc = desc("sluice_dead_letters",
		"Records that were refused and wait for a person. If not 0, run `sluice deadletter list`, mend the cause and run `sluice deadletter redrive`.",
		"lane")
	deadLetterBytesDesc = desc("sluice_dead_letter_bytes",
		"Bytes of the dead letters of all lanes. If it nears sluice_dead_letter_limit_bytes, redrive or move them: at the limit lanes with rejects stop.")
	deadLetterLimitDesc = desc("sluice_dead_letter_limit_bytes",
		"Bytes that the dead letters of all lanes may take (dead_letters.max_bytes).")
	requestBudgetDesc = desc("sluice_request_budget",
		"Requests to the source that may be sent at once, +Inf if there is no limit. If it stays below 1, the source is asked as often as requests_per_minute allows.",
		"source")
	answersDesc = desc("sluice_api_answers_total",
		"Answers of the source by HTTP status, \"error\" where there was none. If 401, 403 or 404 grow, check the credentials; if 429 does, lower requests_per_minute; if 5xx or error do, look at the source and the network.",
		"source", "status")
	buildInfoDesc = desc("sluice_build_info",
		"Always 1; the labels say which build runs. If instances differ, an upgrade is not complete.",
		"version", "go")
)

func lastReadAge(s *pipeline.Status, now time.Time) float64 {
	if s.Reader.LastRead.IsZero() {
		return math.Inf(1)
	}
	return now.Sub(s.Reader.LastRead).Seconds()
}

func retentionLeft(s *pipeline.Status, now time.Time) float64 {
	if s.Position.Expires.IsZero() {
		return math.Inf(1)
	}
	return s.Position.Expires.Sub(now).Seconds()
}

// overlap is not known before the lane's reader is open.
func overlap(s *pipeline.Status, _ time.Time) float64 {
	if s.Reader.Overlap == 0 {
		return math.NaN()
	}
	return s.Reader.Overlap.Seconds()
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
