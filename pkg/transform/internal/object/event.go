package object

import (
	"encoding/base64"
	"slices"
	"unicode/utf8"

	"github.com/sluice-siem/sluice/pkg/transform"
)

// Grow reserves capacity for a record of an event: that many bytes, and the raw event if
// the record has it. JSON in JSON grows by about an eighth.
func (w *Writer) Grow(typical int, raw []byte, a *Allowance) {
	if a.Original {
		w.Buf = slices.Grow(w.Buf, typical+len(raw)+len(raw)/8)
	}
}

// MaxAddress is the longest text of an address.
const MaxAddress = len("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")

// AppendAddress appends an address in the form of records. It appends nothing if text is
// not an address.
func AppendAddress(dst []byte, text string) []byte {
	if addr := transform.Address(text); addr.IsValid() {
		dst = addr.AppendTo(dst)
	}
	return dst
}

// Losses writes the bytes of a raw event that is not UTF-8, and the names of what was left
// out or shortened to fit.
func (w *Writer) Losses(raw []byte, a *Allowance) {
	if a.Original && !utf8.Valid(raw) {
		w.Raw(`"original_base64":"`)
		w.Buf = base64.StdEncoding.AppendEncode(w.Buf, raw)
		w.Raw(`",`)
	}
	if a.Mark != "" {
		w.Raw(`"truncated":`)
		w.Raw(a.Mark)
		w.Raw(`,`)
	}
}
