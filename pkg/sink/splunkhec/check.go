package splunkhec

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/internal/posting"
)

// healthTimeout limits the time of a question about health.
const healthTimeout = 30 * time.Second

// Check asks whether HEC is healthy, whether it accepts the token, and whether the
// token has acknowledgement. It publishes nothing. Only a real event proves that the
// index can be written. Check sends an envelope without an event, which Splunk always
// refuses; if Splunk checks the index first, the answer reports a wrong index.
//
// Receivers other than Splunk may have no health check and no acknowledgement. That is
// no failure, since Publish needs neither.
func (h *hec) Check(ctx context.Context) (string, error) {
	health, err := h.checkHealth(ctx)
	if err != nil {
		return "", err
	}
	token, err := h.checkToken(ctx)
	if err != nil {
		return "", err
	}
	ack, err := h.checkAck(ctx)
	if err != nil {
		return "", err
	}
	if err := h.checkIndex(ctx); err != nil {
		return "", err
	}
	index := "the token's own index"
	if h.settings.Index != "" {
		index = "index " + h.settings.Index
	}
	return fmt.Sprintf("HEC at %s %s and %s; %s; %s was not refused; --send-test proves that it can be written", h.at.shown, health, token, ack, index), nil
}

// checkHealth returns an error if HEC is not well. A receiver that has no such path says
// nothing.
func (h *hec) checkHealth(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, h.at.health, nil)
	if err != nil {
		return "", h.client.Unreachable(err)
	}
	reply, err := h.client.Do(r)
	if err != nil {
		return "", err
	}
	a := h.read(reply)
	switch {
	case a.reply.Status == http.StatusOK:
		return "is healthy", nil // Splunk sends code 17; other products that implement HEC do not
	case a.reply.Status >= 500 || a.reply.Status == http.StatusTooManyRequests:
		return "", fmt.Errorf("health: %w", h.fault(a))
	}
	return "has no health check", nil
}

// checkToken sends an empty body, as Amazon Data Firehose does to check a token. If
// the token is good, the missing data is the only error.
func (h *hec) checkToken(ctx context.Context) (string, error) {
	a, err := h.post(ctx, newChannel(), h.at.event, nil, posting.None)
	switch {
	case err != nil:
		return "", err
	case a.Code != nil && *a.Code == 5:
		return "accepts the token", nil
	case a.aboutData():
		return fmt.Sprintf("does not refuse the token (it answers a request without events with %d %s)", a.reply.Status, http.StatusText(a.reply.Status)), nil
	case a.saysNothing() && a.reply.Advice.Hint == "":
		h.log.Warn().Msgf("the receiver refuses a request without events in words that are not HEC's (%s), so it is unknown whether it accepts the token: run sluice check with --send-test", a)
		return "answers, but does not say whether it accepts the token", nil
	}
	return "", fmt.Errorf("token: %w", h.fault(a))
}

// checkAck describes which acknowledgement is in effect.
func (h *hec) checkAck(ctx context.Context) (string, error) {
	if h.settings.Ack == ackOff {
		return "acknowledgement is off", nil
	}
	ok, err := h.acknowledges(ctx)
	switch {
	case err != nil:
		return "", fmt.Errorf("acknowledgement: %w", err)
	case ok:
		return "indexer acknowledgement is on", nil
	case h.settings.Ack == ackRequired:
		return "", sink.Destination(fmt.Errorf("the token at %s has no indexer acknowledgement, and ack is required", h.at.shown), noAckHint)
	}
	h.warnUnacknowledged()
	return "the token has no indexer acknowledgement", nil
}

// checkIndex sends an envelope without an event.
func (h *hec) checkIndex(ctx context.Context) error {
	if h.settings.Index == "" {
		return nil
	}
	envelope := strings.TrimSuffix(string(h.envelope.head), ",")
	a, err := h.post(ctx, newChannel(), h.at.event, []byte("{"+envelope+"}"), posting.None)
	if err != nil {
		return err
	}
	if a.judge().Verdict == posting.Delivered {
		h.log.Warn().Msg("the receiver took an envelope without an event, with which check asks about the index: there may be an empty event there")
		return nil
	}
	if a.aboutData() || a.saysNothing() {
		return nil
	}
	return fmt.Errorf("index: %w", h.fault(a))
}
