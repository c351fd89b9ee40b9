package cef

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"unsafe"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// Largest lengths, of the header and of the extension dictionary (ArcSight
// Common Event Format Implementation Standard, "Header Information" and
// "ArcSight Extension Dictionary").
const (
	maxClass      = 1023
	maxName       = 512
	maxAct        = 63
	maxCustom     = 4000 // cs1 to cs6
	maxDeviceHost = 100
	maxDeviceID   = 255
	maxExternalID = 40
	maxText       = 1023 // cat, flexString1 and 2, msg, reason, and all about people
)

// truncated ends metadata that was cut.
const truncated = " [truncated]"

// append appends the record of e. whole is false if a value was shortened or
// left out.
func (c *encoder) append(dst []byte, e *source.Event, action *transform.Action, a allowance) (body []byte, whole bool) {
	roles := transform.Resolve(e, action)
	l := line{buf: dst, longest: a.longest}
	l.header(e.Action, action.Severity)
	l.happened(e, action)
	l.people(e, &roles)
	l.raw("sourceServiceName=PlanetScale destinationServiceName=PlanetScale ")
	l.text("deviceExternalId=", e.Organization, maxDeviceID)
	l.text("dvchost=", c.host, maxDeviceHost)
	l.raw("deviceFacility=audit ")
	l.objects(e)
	l.metadata(e, a.metadata)
	l.text("reason=", e.Problem, maxText)
	l.summary(e, &roles)
	if l.cut {
		l.raw("cn1=1 cn1Label=Truncated ")
	}
	if e.Late {
		l.raw("cn2=1 cn2Label=Late ")
	}
	return l.buf[:len(l.buf)-1], !l.cut
}

// header writes the seven fields. The product's version is that of the API.
func (l *line) header(action string, severity int) {
	l.raw("CEF:0|PlanetScale|Audit Log|1.0|")
	if action == "" {
		l.raw("unreadable|Unreadable event|")
	} else {
		// What identifies the kind of event is the last to be shortened.
		longest := max(l.longest, maxAct)
		l.cut = len(action) > min(maxName, longest)
		l.buf = appendClass(l.buf, transform.Cut(action, min(maxClass, longest)))
		l.raw("|")
		l.buf = appendTitle(l.buf, transform.Cut(action, min(maxName, longest)))
		l.raw("|")
	}
	l.buf = strconv.AppendInt(l.buf, int64(severity), 10)
	l.raw("|")
}

// appendClass appends an action as a class id. Consumers disagree on what a
// class id may hold, but not on these characters.
func appendClass(dst []byte, action string) []byte {
	for i := range len(action) {
		c := action[i]
		if !isClassByte(c) {
			c = '_'
		}
		dst = append(dst, c)
	}
	return dst
}

func isClassByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-'
}

// appendTitle appends an action in words, "Deploy request queued".
func appendTitle(dst []byte, action string) []byte {
	begin := len(dst)
	dst = appendClass(dst, action)
	title := dst[begin:]
	for i, c := range title {
		if c == '_' || c == '.' {
			title[i] = ' '
		}
	}
	title = bytes.Trim(title, " ")
	if len(title) == 0 {
		return append(dst[:begin], "Unnamed action"...)
	}
	if title[0] >= 'a' && title[0] <= 'z' {
		title[0] -= 'a' - 'A'
	}
	return append(dst[:begin], title...)
}

func (l *line) happened(e *source.Event, action *transform.Action) {
	at := transform.Time(e).UnixMilli()
	l.number("rt=", at)
	l.number("start=", at)
	l.raw("externalId=")
	l.buf = appendExternalID(l.buf, e.ID)
	l.raw(" cat=")
	for i, category := range action.Categories {
		if i > 0 {
			l.raw(",")
		}
		l.raw(category)
	}
	l.raw(" ")
	l.text("act=", e.Action, maxAct)
	l.text("outcome=", action.Outcome(), maxAct)
}

// appendExternalID appends an id in the 40 characters that externalId has. An
// id that is longer, or would have to be changed, goes by its hash, so that no
// two events come to share one.
func appendExternalID(dst []byte, id string) []byte {
	const hashed = "sha256:"
	switch {
	case isIdentifier(id) && len(id) <= maxExternalID:
		return append(dst, id...)
	case isIdentifier(id) && strings.HasPrefix(id, hashed):
		return append(dst, id[:maxExternalID]...)
	}
	sum := sha256.Sum256([]byte(id))
	begin := len(dst)
	return hex.AppendEncode(append(dst, hashed...), sum[:])[:begin+maxExternalID]
}

func isIdentifier(id string) bool {
	for i := range len(id) {
		if !isClassByte(id[i]) && id[i] != ':' {
			return false
		}
	}
	return id != ""
}

func (l *line) people(e *source.Event, r *transform.Roles) {
	if ip := transform.Address(e.RemoteIP); ip.Is4() {
		l.raw("src=")
		l.buf = append(ip.AppendTo(l.buf), ' ')
	} else if ip.Is6() {
		l.raw("c6a2=")
		l.buf = ip.AppendTo(l.buf)
		l.raw(" c6a2Label=Source IPv6 Address ")
	}
	l.text("suid=", r.Actor.ID, maxText)
	l.text("suser=", r.Actor.Name, maxText)
	l.text("spriv=", r.ActorType, maxText)
	l.text("duid=", r.User.ID, maxText)
	l.text("duser=", r.User.Name, maxText)
}

func (l *line) objects(e *source.Event) {
	l.labelled("cs1=", e.Organization, maxCustom, "cs1Label=Organization ")
	l.labelled("cs2=", e.Auditable.Type, maxCustom, "cs2Label=Auditable Type ")
	l.labelled("cs3=", e.Auditable.Name, maxCustom, "cs3Label=Auditable ")
	l.labelled("cs4=", e.Target.Type, maxCustom, "cs4Label=Target Type ")
	l.labelled("cs5=", e.Target.Name, maxCustom, "cs5Label=Target ")
	l.labelled("flexString1=", e.Auditable.ID, maxText, "flexString1Label=Auditable ID ")
	l.labelled("flexString2=", e.Target.ID, maxText, "flexString2Label=Target ID ")
}

// metadata writes cs6, or leaves it out and says so.
func (l *line) metadata(e *source.Event, room bool) {
	value, label := e.Metadata, "cs6Label=Metadata "
	if e.Gap || e.Action == "" {
		value, label = e.Raw, "cs6Label=Original "
	}
	if len(value) == 0 {
		return
	}
	if !room {
		l.cut = true
		return
	}
	text := unsafe.String(&value[0], len(value)) // Events are never changed.
	begin := len(l.buf)
	l.raw("cs6=")
	first := len(l.buf)
	whole := false
	if l.buf, whole = appendValue(l.buf, text, maxCustom); !whole {
		l.cut = true
		l.buf, _ = appendValue(l.buf[:first], text, maxCustom-len(truncated))
		l.raw(truncated)
	}
	if len(l.buf) == first {
		l.buf = l.buf[:begin]
		return
	}
	l.raw(" ")
	l.raw(label)
}

// summary writes msg: who, what, and what to. It repeats other pairs for
// people who read along, so it is left out where room is scarce.
func (l *line) summary(e *source.Event, r *transform.Roles) {
	const longest = 250 // of each of three parts
	if l.longest < maxText || e.Action == "" {
		return
	}
	l.raw("msg=")
	begin := len(l.buf)
	if l.buf, _ = appendValue(l.buf, r.Actor.Name, longest); len(l.buf) > begin {
		l.raw(": ")
	}
	l.buf = appendTitle(l.buf, transform.Cut(e.Action, longest))
	object := cmp.Or(r.Object.Name, e.Auditable.Name, e.Target.Name)
	l.raw(": ")
	begin = len(l.buf)
	if l.buf, _ = appendValue(l.buf, object, longest); len(l.buf) == begin {
		l.buf = l.buf[:begin-len(": ")]
	}
	l.raw(" ")
}
