package admin

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-siem/sluice/pkg/pipeline"
)

// The names in this file are part of the contract: users build dashboards and
// alerts on them.

// laneMetric is a metric with one value for each lane. NaN is not shown.
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

// laneEvidence is a metric of the lane's log. A lane without one has no value.
func laneEvidence(kind prometheus.ValueType, name, help string, value func(e *pipeline.Evidence) float64) laneMetric {
	return laneMetric{desc(name, help, "lane"), kind, func(s *pipeline.Status, _ time.Time) float64 {
		if s.Evidence == nil {
			return math.NaN()
		}
		return value(s.Evidence)
	}}
}

// laneAudits is a gauge that lanes without audits do not have.
func laneAudits(name, help string, value func(a *pipeline.Audits) float64) laneMetric {
	return laneGauge(name, help, func(s *pipeline.Status, _ time.Time) float64 {
		if s.Audits == nil {
			return math.NaN()
		}
		return value(s.Audits)
	})
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var laneMetrics = []laneMetric{
	laneCounter("sluice_events_read_total",
		"Events that the lane read. If it does not grow while the organization is busy, look at sluice_last_read_age_seconds and /readyz.",
		func(s *pipeline.Status) uint64 { return s.Read }),
	laneCounter("sluice_events_unmapped_total",
		"Events whose action is not in the catalogue. They were delivered, and their records are marked. If it grows, upgrade sluice or add the action to a catalogue file.",
		func(s *pipeline.Status) uint64 { return s.Unmapped }),
	laneCounter("sluice_events_filtered_total",
		"Events that were not sent to the sink because its where: expression was false. Once a lane has caught up, sluice_events_read_total is the sum of this, sluice_records_published_total and sluice_records_rejected_total. If it grows more than intended, check the expression.",
		func(s *pipeline.Status) uint64 { return s.Filtered }),
	laneCounter("sluice_events_unprepared_total",
		"Events delivered unfiltered or unenriched, because where: failed on them or a database is damaged. If it grows, see the log for the reason.",
		func(s *pipeline.Status) uint64 { return s.Unprepared }),
	laneCounter("sluice_records_truncated_total",
		"Records in which values were shortened or left out to fit a limit of the format or the sink. The records are marked. If it grows, raise the sink's limit if the destination allows it.",
		func(s *pipeline.Status) uint64 { return s.Truncated }),
	laneCounter("sluice_records_published_total",
		"Records that the sink took responsibility for. If it stays behind sluice_events_read_total for long, the sink is slow or refuses records: see /readyz.",
		func(s *pipeline.Status) uint64 { return s.Published }),
	laneCounter("sluice_records_rejected_total",
		"Records that the sink refused for good and that became dead letters. If it grows, run `sluice deadletter list` for the reasons.",
		func(s *pipeline.Status) uint64 { return s.Rejected }),
	laneCounter("sluice_events_beyond_window_total",
		"Events that were older than the destination takes when they were to be published. The sink's beyond_window says whether they were sent all the same or became dead letters. If it grows, the lane begins far back or is behind: `sluice check` says what the destination takes.",
		func(s *pipeline.Status) uint64 { return s.BeyondWindow }),
	laneCounter("sluice_gaps_total",
		"Gaps found: the log no longer reached back to the lane's position, so events may be missing. If it grows, run sluice without long stops and alert on sluice_retention_left_seconds.",
		func(s *pipeline.Status) uint64 { return s.Reader.Gaps }),
	laneCounter("sluice_events_changed_total",
		"Events that were listed again with other content. Only the first version was delivered. If it grows, the source changes events, or gives two of them one id: look for the event in the log of sluice and compare it with the source.",
		func(s *pipeline.Status) uint64 { return s.Reader.Changed }),
	laneCounter("sluice_events_late_total",
		"Events that the source listed after later ones. They were delivered. If it grows fast, consider a longer overlap.",
		func(s *pipeline.Status) uint64 { return s.Reader.LateEvents }),
	laneCounter("sluice_walks_failed_total",
		"Walks over the log that were discarded because the source failed or contradicted itself. If it keeps growing, look at the log and at sluice_api_answers_total.",
		func(s *pipeline.Status) uint64 { return s.Reader.WalksFailed }),
	laneGauge("sluice_lag_seconds",
		"Age of the oldest event known to wait for delivery, 0 if none is. If it grows while sluice_lane_catching_up is 0, the lane does not advance: see /readyz.",
		func(s *pipeline.Status, _ time.Time) float64 { return s.Lag.Seconds() }),
	laneGauge("sluice_last_read_age_seconds",
		"Time since the last successful read, +Inf if there was none since the start. If it exceeds a few poll intervals, reading the source fails: see /readyz for the reason.",
		lastReadAge),
	laneGauge("sluice_retention_left_seconds",
		"Time until the source's retention passes the saved position, +Inf if never; none if the position of a paused lane is not known. If it nears 0, events are about to be lost: get the lane running now.",
		retentionLeft),
	laneGauge("sluice_overlap_effective_seconds",
		"How late the source may list an event that is still delivered. If it is below the configured overlap, the overlap holds more events than a position can name: consider a shorter overlap.",
		overlap),
	laneGauge("sluice_queue_bytes",
		"Bytes queued between reading and publishing. If it stays at its limit, the sink is slower than the source.",
		func(s *pipeline.Status, _ time.Time) float64 { return float64(s.QueuedBytes) }),
	laneGauge("sluice_lane_ready",
		"1 if the lane reads and its sink accepts records, else 0. If 0, see /readyz or the console for the reason.",
		func(s *pipeline.Status, _ time.Time) float64 { return number(s.Ready) }),
	laneGauge("sluice_lane_paused",
		"1 if somebody paused the lane, else 0; then sluice_lane_ready is 0, too. If 1, see /readyz for who and why, and run `sluice resume` before sluice_retention_left_seconds ends.",
		func(s *pipeline.Status, _ time.Time) float64 { return number(s.Paused != nil) }),
	laneGauge("sluice_lane_credentials_refused",
		"Changed credentials of the lane's source and sink that are refused while the former ones still work. If not 0, write the right ones: see /readyz for which, and why.",
		func(s *pipeline.Status, _ time.Time) float64 { return float64(len(s.Refused)) }),
	laneGauge("sluice_lane_resting",
		"1 if the lane cannot continue and waits for its next attempt, else 0. If 1, see /readyz for the reason and what to do. The most frequent reason is an unusable checkpoint.",
		func(s *pipeline.Status, _ time.Time) float64 { return number(s.Resting) }),
	laneGauge("sluice_lane_catching_up",
		"1 while older events are known to wait for delivery, else 0. If it stays 1, the lane is slower than its source: raise requests_per_minute or speed up the sink.",
		func(s *pipeline.Status, _ time.Time) float64 { return number(s.CatchingUp) }),
	laneEvidence(prometheus.CounterValue, "sluice_evidence_records_total",
		"Records that have a number in the lane's log, since the log began; none without evidence. If it falls, the log began anew: look for sluice.evidence_began in the own log.",
		func(e *pipeline.Evidence) float64 { return float64(e.Records) }),
	laneEvidence(prometheus.GaugeValue, "sluice_evidence_unsealed_records",
		"Records that no seal covers yet. A seal follows within five minutes. If it stays above 0, the lane does not deliver: see /readyz.",
		func(e *pipeline.Evidence) float64 { return float64(e.Unsealed()) }),
	laneEvidence(prometheus.GaugeValue, "sluice_evidence_last_note_timestamp_seconds",
		"When the lane last wrote a seal or another note, in seconds since 1970; none if it wrote none. If it is older than 15 minutes while the lane is ready, nobody can tell later whether records are missing: see the log of sluice.",
		func(e *pipeline.Evidence) float64 { return seconds(e.LastNote) }),
	laneEvidence(prometheus.GaugeValue, "sluice_evidence_pending_notes",
		"Notes that were written and that the destination does not have yet. If it grows, the sink refuses them or is down: see /readyz.",
		func(e *pipeline.Evidence) float64 { return float64(e.Pending) }),
	laneAudits("sluice_audit_last_timestamp_seconds",
		"When the last audit of the lane began, in seconds since 1970; none before the first, and without audits. If it is older than two times audit.every, see sluice_audit_due_timestamp_seconds.",
		func(a *pipeline.Audits) float64 { return seconds(a.Last.At) }),
	laneAudits("sluice_audit_due_timestamp_seconds",
		"When the next audit of the lane is due, in seconds since 1970. If that is long past, the lane is never at rest, or the source cannot be read to its end: see the log of sluice.",
		func(a *pipeline.Audits) float64 { return seconds(a.Next) }),
	laneAudits("sluice_audit_advised_overlap_seconds",
		"A longer overlap, if events came too late for the one in effect, as the last audit found; 0 if none did. If not 0, set overlap to it in the settings of the source.",
		func(a *pipeline.Audits) float64 { return a.Advice.Seconds() }),
}

// seconds returns a time in seconds since 1970, NaN for the zero time.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return math.NaN()
	}
	return float64(t.UnixMilli()) / 1e3
}

var (
	ownedDesc = desc("sluice_lane_owned",
		"1 if this replica owns the lane, 0 if another one does. If the sum over all replicas is not 1 for longer than half a minute, no replica or more than one runs the lane: see /readyz of each.",
		"lane")
	retriesDesc = desc("sluice_retries_total",
		"Failures that are retried, by class. If it keeps growing, the class shows where to look: at the source, the sink, the dead letters or the state directory.",
		"lane", "class")
	queuePagesDesc = desc("sluice_queue_pages",
		"Pages queued for a stage of the lane. If publish stays high, the sink is the bottleneck; if transform does, the CPU is.",
		"lane", "stage")
	publishDurationDesc = desc("sluice_publish_duration_seconds",
		"Time that the sink takes for a batch. If it rises, look at the destination and the network to it.",
		"lane")
	latenessDesc = desc("sluice_event_lateness_seconds",
		"Time from when a late event happened until it was read, of lanes that had caught up and of audits. If much of it is near the overlap, set a longer overlap in the settings of the source.",
		"lane")
	auditFoundDesc = desc("sluice_audit_found_total",
		"What audits of the lane found. missing: events that came later than overlap, which were delivered then. vanished: events that the source no longer lists, before their time. altered: events that it lists with other content. unclear: hours with other events, and it is not known which. If any but missing grows, read the event sluice.audit at the destination.",
		"lane", "found")
	deadLettersDesc = desc("sluice_dead_letters",
		"Records that were refused and need a person. If not 0, run `sluice deadletter list`, fix the cause and run `sluice deadletter redrive`.",
		"lane")
	deadLetterBytesDesc = desc("sluice_dead_letter_bytes",
		"Bytes of the dead letters of all lanes. If it nears sluice_dead_letter_limit_bytes, redrive or move them: at the limit, lanes with rejects stop.")
	deadLetterLimitDesc = desc("sluice_dead_letter_limit_bytes",
		"Bytes that the dead letters of all lanes may take (dead_letters.max_bytes).")
	requestBudgetDesc = desc("sluice_request_budget",
		"Requests that may be sent to the source at once, +Inf if there is no limit. If it stays below 1, sluice sends as many requests as requests_per_minute allows.",
		"source")
	requestsUsedDesc = desc("sluice_request_budget_used_total",
		"Requests that the budget of the source allowed, for all sources that share it. If a replay is slow, look here: it sends only what this process leaves of requests_per_minute.",
		"source")
	answersDesc = desc("sluice_api_answers_total",
		"Answers of the source by HTTP status, \"error\" if there was no answer. If 401, 403 or 404 grow, check the credentials; if 429 grows, lower requests_per_minute; if 5xx or error grow, look at the source and the network.",
		"source", "status")
	memoryLimitDesc = desc("sluice_memory_limit_bytes",
		"Memory that all lanes may hold together. If sluice_memory_waiting_lanes stays above 0, raise memory in the configuration.")
	memoryHeldDesc = desc("sluice_memory_held_bytes",
		"Memory that the lanes hold, of sluice_memory_limit_bytes: 64 KiB for each idle lane, up to half of the limit, and more while events are on their way. If idle lanes take half of it, lanes catch up slowly: raise memory in the configuration.")
	memoryWaitingDesc = desc("sluice_memory_waiting_lanes",
		"Lanes that wait for memory. If it stays above 0, raise memory in the configuration.")
	reloadSuccessfulDesc = desc("sluice_config_last_reload_successful",
		"1 if the configuration was loaded at the latest start or reload, 0 if that reload was refused and the former configuration stays in force. If 0, see the log or the console for the problems, correct the file and reload.")
	reloadTimeDesc = desc("sluice_config_last_reload_success_timestamp_seconds",
		"When the configuration that is in force was loaded, in seconds since 1970. If instances differ for long, one of them missed a reload.")
	buildInfoDesc = desc("sluice_build_info",
		"Always 1; the labels name the running build. If instances differ, an upgrade is not complete.",
		"version", "go")
)

func lastReadAge(s *pipeline.Status, now time.Time) float64 {
	if s.Reader.LastRead.IsZero() {
		return math.Inf(1)
	}
	return now.Sub(s.Reader.LastRead).Seconds()
}

func retentionLeft(s *pipeline.Status, now time.Time) float64 {
	if s.Unplaced {
		return math.NaN()
	}
	if s.Position.Expires.IsZero() {
		return math.Inf(1)
	}
	return s.Position.Expires.Sub(now).Seconds()
}

// overlap is NaN until the lane's reader is open.
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
