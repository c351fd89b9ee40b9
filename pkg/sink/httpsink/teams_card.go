package httpsink

import (
	"strings"

	"github.com/sluice-siem/sluice/pkg/internal/rawjson"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// A message of Teams holds one Adaptive Card, and a card a container for each event. The
// workflow that Teams offers posts each of the attachments as a card
// (support.microsoft.com, "Create incoming webhooks with Workflows for Microsoft Teams").
const (
	teamsHead = `{"type":"message","attachments":[{"contentType":"application/vnd.microsoft.card.adaptive","contentUrl":null,"content":{` +
		`"$schema":"http://adaptivecards.io/schemas/adaptive-card.json","type":"AdaptiveCard","version":"1.4","msteams":{"width":"Full"},"body":[`
	teamsTail = `]}}]}`
)

// appendTeamsCard appends an event as a container: what happened, and the facts below it.
// All texts are runs of a RichTextBlock, which unlike other elements reads no markdown
// (learn.microsoft.com/adaptive-cards/authoring-cards/text-features).
func appendTeamsCard(dst []byte, r *sink.Record) ([]byte, error) {
	a := alertOf(r)
	dst = append(dst, `{"type":"Container","separator":true,"spacing":"Large","items":[`...)
	dst = append(dst, `{"type":"RichTextBlock","inlines":[{"type":"TextRun","size":"Medium","weight":"Bolder","color":"`...)
	dst = append(dst, teamsColors[band(a.severity)]...)
	dst = append(dst, `","text":`...)
	dst = rawjson.AppendString(dst, signals[band(a.severity)]+" "+teamsText(a.words))
	dst = append(dst, `}]}`...)
	for _, f := range a.facts {
		dst = append(dst, `,{"type":"RichTextBlock","spacing":"None","inlines":[{"type":"TextRun","weight":"Bolder","text":`...)
		dst = rawjson.AppendString(dst, f.name+"  ")
		dst = append(dst, `},{"type":"TextRun","text":`...)
		dst = rawjson.AppendString(dst, teamsText(f.value))
		dst = append(dst, `}]}`...)
	}
	return append(dst, `]}`...), nil
}

// teamsColors are the colors of an Adaptive Card for the severities.
var teamsColors = [...]string{"Default", "Accent", "Warning", "Warning", "Attention"}

// teamsText takes apart what begins a function, such as {{DATE(…)}}, which clients compute.
func teamsText(text string) string {
	for strings.Contains(text, "{{") {
		text = strings.ReplaceAll(text, "{{", "{ {")
	}
	return text
}
