package admin

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"strconv"
	"time"

	"github.com/sluice-siem/sluice/pkg/pipeline"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"time": func(t time.Time) string {
		if t.IsZero() {
			return "–"
		}
		return t.UTC().Format(time.RFC3339)
	},
	"duration": func(d time.Duration) string { return d.Round(time.Second).String() },
}).Parse(pageText))

type pageData struct {
	Version string
	Now     time.Time
	Ready   bool
	Lanes   []pageLane
}

type pageLane struct {
	pipeline.Status
	DeadLetters string // their number, or why it is unknown
}

func (d Deps) servePage(w http.ResponseWriter, _ *http.Request) {
	lanes := d.Lanes()
	data := pageData{Version: d.Version, Now: time.Now(), Ready: readiness(lanes, d.trouble()).Ready}
	for _, s := range lanes {
		data.Lanes = append(data.Lanes, pageLane{s, d.letters(s.Lane)})
	}
	var body bytes.Buffer
	if err := page.Execute(&body, data); err != nil {
		d.fail(w, "status page", err)
		return
	}
	d.answer(w, http.StatusOK, "text/html; charset=utf-8", body.Bytes())
}

func (d Deps) letters(lane string) string {
	if d.DeadLetters == nil {
		return "in Kafka"
	}
	n, err := d.DeadLetters.Count(lane)
	if err != nil {
		return err.Error()
	}
	return strconv.Itoa(n)
}
