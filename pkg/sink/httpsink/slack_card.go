package httpsink

import (
	"strings"

	"github.com/sluice-siem/sluice/pkg/internal/rawjson"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// Limits of Slack's blocks (docs.slack.dev, reference/block-kit/blocks/section-block and
// composition-objects/text-object). A section has at most ten fields of 2,000 characters;
// an alert has as many facts, and its texts are far shorter.
const (
	slackBlocks = 50 // most blocks in a message
	slackFields = 10 // most fields in a section
)

// appendSlackCard appends an event as one section: what happened, and the facts below it.
//
// What happened is plain_text, in which Slack reads no markup. A value of a fact is code in
// mrkdwn, in which nothing but a backtick and Slack's three control characters means
// anything; so no name can be a link, mention a channel, or look like a fact.
func appendSlackCard(dst []byte, r *sink.Record) ([]byte, error) {
	a := alertOf(r)
	dst = append(dst, `{"type":"section","text":{"type":"plain_text","emoji":false,"text":`...)
	dst = rawjson.AppendString(dst, signals[band(a.severity)]+" "+slackText.Replace(a.words))
	dst = append(dst, `},"fields":[`...)
	for i, f := range a.facts[:min(len(a.facts), slackFields)] {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"type":"mrkdwn","verbatim":true,"text":`...)
		dst = rawjson.AppendString(dst, "*"+f.name+"*\n`"+slackCode.Replace(f.value)+"`")
		dst = append(dst, '}')
	}
	return append(dst, `]}`...), nil
}

// slackText escapes the control characters of Slack (docs.slack.dev, messaging/formatting-
// message-text, "Escaping text").
var slackText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// slackCode also replaces what would end the code.
var slackCode = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "`", "ˋ")
