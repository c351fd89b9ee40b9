package verify

import (
	"context"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"time"
)

// table reads the rows of a table whose header names its columns. A row has the whole
// record in one column, or its fields in many.
func (p *Parser) table(ctx context.Context, to Intake, name string, in io.Reader) error {
	rows := csv.NewReader(in)
	rows.FieldsPerRecord, rows.ReuseRecord = -1, true
	header, err := rows.Read()
	if err != nil {
		return err
	}
	header[0] = strings.TrimPrefix(header[0], "\ufeff")
	columns := make([]*tree, len(header))
	for i, column := range header {
		columns[i] = p.root.child(column)
	}
	b := batch{to: to}
	for n := 0; ; n++ {
		row, err := rows.Read()
		line, _ := rows.FieldPos(0)
		switch {
		case errors.Is(err, io.EOF):
			b.flush()
			return nil
		case err != nil:
			return err
		}
		p.row(&b, Place{name, int64(line)}, columns, row)
		if len(b.claims) >= batchSize {
			b.flush()
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
}

func (p *Parser) row(b *batch, at Place, columns []*tree, row []string) {
	o := p.objects.Get().(*object)
	defer p.objects.Put(o)
	clear(o.values[:])
	o.twice = ""
	for i, text := range row {
		if i >= len(columns) || columns[i] == nil || !columns[i].leaf || text == "" || text == "-" {
			continue
		}
		o.values[columns[i].field] = value{text: shown(columns[i].field, strings.Clone(text)), there: true, quoted: true}
	}
	if p.unwrap(b, at, o) {
		return
	}
	claim, err := p.object(o)
	b.take(at, claim, err)
}

// shown undoes how people are shown a value: numbers with commas, and times in words.
func shown(f field, text string) string {
	switch f {
	case ecsSequence, ownEpoch, ocsfSequence, ocsfEpoch:
		return strings.ReplaceAll(text, ",", "")
	case ecsTime:
		if t, err := time.Parse("Jan 2, 2006 @ 15:04:05.000", text); err == nil {
			return t.Format("2006-01-02T15:04:05.000Z")
		}
	}
	return text
}
