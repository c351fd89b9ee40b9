package ecs

import "github.com/sluice-siem/sluice/pkg/transform/internal/object"

// writer adds to object.Writer what only these documents need.
type writer struct{ object.Writer }

// words writes an array of at least one word that needs no escaping.
func (w *writer) words(key string, words []string) {
	w.Raw(key)
	w.Buf = append(w.Buf, '[')
	for _, word := range words {
		w.Buf = append(w.Buf, '"')
		w.Raw(word)
		w.Buf = append(w.Buf, '"', ',')
	}
	w.EndArray()
}
