package verify_test

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// records returns what a history delivered, in a format. Copies of a record are the same.
func (h *history) records(t *testing.T) (all []sink.Record, lanes []string) {
	t.Helper()
	for i := range h.shipped {
		r, err := h.format.Transform(nil, &h.shipped[i].event)
		if err != nil {
			t.Fatal(err)
		}
		all, lanes = append(all, r), append(lanes, h.shipped[i].lane.name)
	}
	return all, lanes
}

// exports are forms in which destinations give back what they have. Each returns a file.
var exports = map[string]func(records []sink.Record, lanes []string) string{
	"lines": func(records []sink.Record, _ []string) string { return lines(records) },
	"lines, compressed": func(records []sink.Record, _ []string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		fmt.Fprint(w, lines(records))
		w.Close()
		return b.String()
	},
	"search results, one a line": func(records []sink.Record, _ []string) string {
		var b strings.Builder
		for i := range records {
			fmt.Fprintf(&b, `{"preview":false,"offset":%d,"result":%s}`+"\n", i, result(&records[i]))
		}
		return b.String()
	},
	"search results, an array": func(records []sink.Record, _ []string) string {
		return "[" + strings.Join(each(records, result), ",\n") + "]"
	},
	"search results, an object": func(records []sink.Record, _ []string) string {
		return `{"preview":false,"init_offset":0,"results":[` + strings.Join(each(records, result), ",") + "]}"
	},
	"search results, a table": func(records []sink.Record, _ []string) string {
		var b strings.Builder
		w := csv.NewWriter(&b)
		w.Write([]string{"_time", "host", "sluice_epoch", "sluice_sequence", "sluice_event_id", "sluice_organization", "sluice_replayed", "_raw"})
		for i := range records {
			r := &records[i]
			w.Write([]string{r.Time.Format(time.RFC3339), "h", number(r.Epoch, r), number(r.Sequence, r), r.ID, r.Organization, replayed(r), string(r.Body)})
		}
		w.Flush()
		return b.String()
	},
	"a console consumer with headers": func(records []sink.Record, lanes []string) string {
		var b strings.Builder
		for i := range records {
			r := &records[i]
			fmt.Fprintf(&b, "CreateTime:1772323200000\tPartition:0\t")
			for j, h := range headers(r, lanes[i]) {
				if j > 0 {
					b.WriteString(",")
				}
				b.WriteString(h[0] + ":" + h[1])
			}
			fmt.Fprintf(&b, "\t%s\t%s\n", r.Key, r.Body)
		}
		return b.String()
	},
	"messages as JSON": func(records []sink.Record, lanes []string) string {
		var b strings.Builder
		for i := range records {
			r := &records[i]
			var flat []string
			for _, h := range headers(r, lanes[i]) {
				flat = append(flat, h[0], h[1])
			}
			text := must(json.Marshal(map[string]any{"topic": "audit", "partition": 0, "offset": i, "headers": flat, "key": r.Key, "payload": string(r.Body)}))
			b.WriteString(string(text) + "\n")
		}
		return b.String()
	},
	"syslog with structured data": func(records []sink.Record, _ []string) string {
		return strings.Join(each(records, func(r *sink.Record) string {
			number := ""
			if r.Epoch > 0 {
				number = fmt.Sprintf(` epoch="%d" sequence="%d"][meta sequenceId="%d"`, r.Epoch, r.Sequence, r.Sequence+1)
			}
			return fmt.Sprintf(`<110>1 2026-03-04T05:06:07.089012Z forwarder-1 sluice - %s [planetscale@32473 id="%s" organization="%s" action="a\]\"\\"%s] %s`,
				"x", r.ID, r.Organization, number, r.Body)
		}), "\n")
	},
}

// jsonExports are those of documents.
var jsonExports = map[string]func(records []sink.Record, lanes []string) string{
	"hits, one a line": func(records []sink.Record, _ []string) string { return strings.Join(each(records, hit), "\n") },
	"search answers, one a line": func(records []sink.Record, _ []string) string {
		return answer(records[:len(records)/2]) + "\n" + answer(records[len(records)/2:]) + "\n"
	},
	"a search answer over many lines": func(records []sink.Record, _ []string) string {
		var b bytes.Buffer
		if err := json.Indent(&b, []byte(answer(records)), "", "  "); err != nil {
			panic(err)
		}
		return b.String()
	},
	"an array over many lines": func(records []sink.Record, _ []string) string {
		var b bytes.Buffer
		if err := json.Indent(&b, []byte("["+strings.Join(each(records, body), ",")+"]"), "", "  "); err != nil {
			panic(err)
		}
		return b.String()
	},
}

// documentTable is an export of documents as people see them: a column for each field, with
// commas in numbers and times in words.
func documentTable(records []sink.Record, _ []string) string {
	columns := []string{
		"@timestamp", "ecs.version", "event.action", "event.dataset", "event.hash", "event.id", "event.kind", "event.original", "event.sequence",
		"organization.name", "source.ip", "planetscale.audit.id", "planetscale.audit.epoch", "planetscale.audit.note", "planetscale.audit.truncated",
		"planetscale.audit.problem", "planetscale.audit.replayed", "planetscale.audit.actor.id", "planetscale.audit.auditable.id",
		"planetscale.audit.target.id", "unknown",
	}
	var b strings.Builder
	b.WriteString("\ufeff")
	w := csv.NewWriter(&b)
	w.Write(columns)
	for i := range records {
		var root map[string]any
		d := json.NewDecoder(bytes.NewReader(records[i].Body))
		d.UseNumber()
		if err := d.Decode(&root); err != nil {
			panic(err)
		}
		var row []string
		for _, column := range columns {
			var v any = root
			for key := range strings.SplitSeq(column, ".") {
				inner, _ := v.(map[string]any)
				v = inner[key]
			}
			text := "-"
			if v != nil {
				text = fmt.Sprint(v)
			}
			switch {
			case column == "@timestamp":
				text = must(time.Parse(time.RFC3339, text)).Format("Jan 2, 2006 @ 15:04:05.000")
			case column == "event.sequence" && len(text) > 1:
				text = text[:len(text)-1] + "," + text[len(text)-1:]
			}
			row = append(row, text)
		}
		w.Write(row)
	}
	w.Flush()
	return b.String()
}

// lineExports are those of lines that a syslog receiver has written.
var lineExports = map[string]func(records []sink.Record, lanes []string) string{
	"syslog in the traditional form": func(records []sink.Record, _ []string) string {
		return strings.Join(each(records, func(r *sink.Record) string { return "Mar  4 05:06:07 forwarder-1 sluice: " + string(r.Body) }), "\n")
	},
	"syslog with a time of RFC 3339": func(records []sink.Record, _ []string) string {
		return strings.Join(each(records, func(r *sink.Record) string {
			return "2026-03-04T05:06:07.089012+00:00 forwarder-1 sluice " + string(r.Body)
		}), "\n")
	},
	"syslog of RFC 3164": func(records []sink.Record, _ []string) string {
		return strings.Join(each(records, func(r *sink.Record) string {
			return "<110>Mar  4 05:06:07 forwarder-1 " + strings.ReplaceAll(string(r.Body), "\t", "#011")
		}), "\n")
	},
}

func each(records []sink.Record, as func(*sink.Record) string) (all []string) {
	for i := range records {
		all = append(all, as(&records[i]))
	}
	return all
}

func body(r *sink.Record) string { return string(r.Body) }

func lines(records []sink.Record) string { return strings.Join(each(records, body), "\n") + "\n" }

func hit(r *sink.Record) string {
	return `{"_index":"logs","_id":"x","_score":1.0,"_source":` + string(r.Body) + `}`
}

func answer(records []sink.Record) string {
	return `{"_scroll_id":"x","took":3,"hits":{"total":{"value":9},"hits":[` + strings.Join(each(records, hit), ",") + `]}}`
}

func result(r *sink.Record) string {
	m := map[string]any{"_raw": string(r.Body), "_time": "1", "host": "h", "sluice_event_id": r.ID, "sluice_organization": r.Organization}
	if r.Epoch > 0 { // Some fields are there twice if they are also extracted by a search.
		m["sluice_epoch"], m["sluice_sequence"] = []string{fmt.Sprint(r.Epoch), fmt.Sprint(r.Epoch)}, fmt.Sprint(r.Sequence)
	}
	if r.Replayed {
		m["sluice_replayed"] = "true"
	}
	return string(must(json.Marshal(m)))
}

func number(n uint64, r *sink.Record) string {
	if r.Epoch == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func replayed(r *sink.Record) string {
	if r.Replayed {
		return "true"
	}
	return ""
}

func headers(r *sink.Record, lane string) (all [][2]string) {
	all = [][2]string{
		{"sluice-event-id", r.ID}, {"sluice-event-time", r.Time.Format(time.RFC3339Nano)}, {"sluice-action", r.Action}, {"sluice-format", r.Format},
		{"sluice-schema-version", "1"}, {"content-type", r.MediaType}, {"sluice-lane", lane},
	}
	if r.Replayed {
		all = append(all, [2]string{"sluice-replayed", "true"})
	}
	if r.Epoch > 0 {
		all = append(all, [2]string{"sluice-epoch", fmt.Sprint(r.Epoch)}, [2]string{"sluice-sequence", fmt.Sprint(r.Sequence)},
			[2]string{"sluice-organization", r.Organization})
	}
	return all
}
