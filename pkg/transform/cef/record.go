package cef

import (
	"strconv"
	"unicode/utf8"
	"unsafe"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/internal/line"
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

	// Of version 1 only (the standard's version 1.2, "New keys").
	maxResourceID    = 256
	maxResource      = 64 // name and type
	maxResourceGroup = 128
)

// values are the rules of the extension: two characters are escaped, and a line end is
// written as two characters. fields are the rules of the header, which has no escapes.
var (
	values = line.NewRules(' ', `\=`, nil, escape)
	fields = line.NewRules('|', `\|`, withoutEscapes, nil)
)

// pairs are the pairs of an extension.
type pairs struct{ line.Writer }

func escape(dst []byte, r rune) []byte {
	switch r {
	case '\\', '=':
		return append(dst, '\\', byte(r))
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	}
	return utf8.AppendRune(dst, r)
}

func withoutEscapes(r rune) rune {
	switch r {
	case '\\', '|', '\n', '\r':
		return ' '
	}
	return r
}

// truncated ends metadata that was cut.
const truncated = " [truncated]"

// append appends the record of e. whole is false if a value was shortened or
// left out.
func (c *encoder) append(dst []byte, e *source.Event, action *transform.Action, a line.Allowance) (body []byte, whole bool) {
	l := pairs{line.Writer{Rules: values, Buf: dst, Longest: a.Longest, Exact: e.Number.Given()}}
	l.header(c.begin, e.Action, action)
	l.happened(e, action)
	roles := c.catalogue.Resolve(e, action)
	l.origin(e, c.ipv6InSrc)
	l.people(&roles)
	l.Raw(c.services)
	l.Identity("deviceExternalId=", e.Organization, maxDeviceID)
	l.Text("dvchost=", c.host, maxDeviceHost)
	l.Raw("deviceFacility=audit ")
	l.objects(e, &c.objects)
	if c.version == 1 {
		l.resource(&roles)
		l.technique(&action.Technique)
	}
	l.metadata(e, a.Metadata)
	l.Hash(c.hash, e)
	if e.Number.Given() {
		l.number(c.number, e.Number)
	}
	l.Note(c.note, e.Note)
	l.Text("reason=", e.Problem, maxText)
	l.summary(e, action, &roles)
	if l.Cut {
		l.Raw("cn1=1 cn1Label=Truncated ")
	}
	if e.Late {
		l.Raw("cn2=1 cn2Label=Late ")
	}
	if e.OwnToken {
		l.Raw("cn3=1 cn3Label=Own Token ")
	}
	if e.Replayed {
		l.Raw(c.replayed)
	}
	return l.Buf[:len(l.Buf)-1], !l.Cut
}

// header writes the seven fields. The first four are the same in every record.
func (l *pairs) header(begin, action string, known *transform.Action) {
	l.Raw(begin)
	if action == "" {
		l.Raw("unreadable|Unreadable event|")
	} else {
		// The kind of event is shortened last.
		longest := max(l.Longest, maxAct)
		l.Cut = len(action) > min(maxName, longest)
		l.Buf = line.AppendClass(l.Buf, transform.Cut(action, min(maxClass, longest)))
		l.Raw("|")
		l.Rules = fields
		l.title(known, action, min(maxName, longest))
		l.Rules = values
		l.Raw("|")
	}
	l.Buf = strconv.AppendInt(l.Buf, int64(known.Severity), 10)
	l.Raw("|")
}

// title writes an action in words: those of the catalogue, if it has any.
func (l *pairs) title(known *transform.Action, action string, longest int) {
	begin := len(l.Buf)
	if l.Value(known.Title, longest); len(l.Buf) == begin {
		l.Buf = transform.AppendTitle(l.Buf, transform.Cut(action, longest))
	}
}

func (l *pairs) happened(e *source.Event, action *transform.Action) {
	at := transform.Time(e).UnixMilli()
	l.Number("rt=", at)
	l.Number("start=", at)
	l.Raw("externalId=")
	l.Buf = line.AppendID(l.Buf, e.ID, maxExternalID)
	l.Raw(" cat=")
	for i, category := range action.Categories {
		if i > 0 {
			l.Raw(",")
		}
		l.Raw(category)
	}
	l.Raw(" ")
	l.Fact("act=", e.Action, maxAct)
	l.Text("outcome=", action.Outcome(), maxAct)
}

// origin writes the actor's address. In the dictionary src is an IPv4 address.
func (l *pairs) origin(e *source.Event, ipv6InSrc bool) {
	ip := transform.Address(e.RemoteIP)
	if ip.Is4() || ip.Is6() && ipv6InSrc {
		l.Raw("src=")
		l.Buf = ip.AppendTo(l.Buf)
		l.End()
	}
	if ip.Is6() {
		l.Raw("c6a2=")
		l.Buf = ip.AppendTo(l.Buf)
		l.Raw(" c6a2Label=Source IPv6 Address ")
	}
}

// number writes epoch and sequence in one pair, since the name of an own key is long.
func (l *pairs) number(key string, n source.Number) {
	l.Raw(key)
	l.Buf = append(strconv.AppendUint(l.Buf, n.Epoch, 10), '/')
	l.Buf = strconv.AppendUint(l.Buf, n.Sequence, 10)
	l.End()
}

func (l *pairs) people(r *transform.Roles) {
	l.Fact("suid=", r.Actor.ID, maxText)
	l.Text("suser=", r.Actor.Name, maxText)
	l.Text("spriv=", r.ActorType, maxText)
	l.Text("duid=", r.User.ID, maxText)
	l.Text("duser=", r.User.Name, maxText)
	l.Text("dpriv=", r.After, maxText)
}

// resource writes the object in the keys that version 1 has for it. They repeat other
// pairs, so nothing is lost if they are too short.
func (l *pairs) resource(r *transform.Roles) {
	cut := l.Cut
	l.Text("reportedResourceID=", r.Object.ID, maxResourceID)
	l.Text("reportedResourceName=", r.Object.Name, maxResource)
	l.Text("reportedResourceType=", r.Object.Type, maxResource)
	l.Text("reportedResourceGroupName=", r.Container.Name, maxResourceGroup)
	l.Cut = cut
}

// technique writes the technique of MITRE ATT&CK. Both values are from the catalogue, and
// shorter than the limits of 256 and 32 characters.
func (l *pairs) technique(t *transform.Technique) {
	if t.ID != "" {
		l.Raw("frameworkName=MITRE ATT&CK threatAttackID=")
		l.Raw(t.ID)
		l.End()
	}
}

// labelled writes a pair and its label, unless the value is empty.
func (l *pairs) labelled(key, value string, limit int, label string) {
	if l.Text(key, value, limit) {
		l.Raw(label)
	}
}

// labels are pairs that label the values of other pairs.
type labels struct{ kind, name, id string }

func (l *pairs) objects(e *source.Event, of *[2]labels) {
	l.labelled("cs1=", e.Organization, maxCustom, "cs1Label=Organization ")
	l.labelled("cs2=", e.Objects[0].Type, maxCustom, of[0].kind)
	l.labelled("cs3=", e.Objects[0].Name, maxCustom, of[0].name)
	l.labelled("cs4=", e.Objects[1].Type, maxCustom, of[1].kind)
	l.labelled("cs5=", e.Objects[1].Name, maxCustom, of[1].name)
	for i, key := range [...]string{"flexString1=", "flexString2="} {
		if l.Fact(key, e.Objects[i].ID, maxText) {
			l.Raw(of[i].id)
		}
	}
}

// metadata writes cs6, or leaves it out and marks the record as truncated.
func (l *pairs) metadata(e *source.Event, room bool) {
	value, label := e.Metadata, "cs6Label=Metadata "
	if e.Gap || e.Action == "" {
		value, label = e.Raw, "cs6Label=Original "
	}
	if len(value) == 0 {
		return
	}
	if !room {
		l.Cut = true
		return
	}
	text := unsafe.String(&value[0], len(value)) // Events are never changed.
	begin := len(l.Buf)
	l.Raw("cs6=")
	first := len(l.Buf)
	l.Marked(text, maxCustom, truncated)
	if len(l.Buf) == first {
		l.Buf = l.Buf[:begin]
		return
	}
	l.Raw(" ")
	l.Raw(label)
}

// summary writes msg, the event in words. It repeats other pairs, so it is left out if the
// limit is tight.
func (l *pairs) summary(e *source.Event, action *transform.Action, r *transform.Roles) {
	if l.Longest < maxText {
		return
	}
	var room [transform.MaxSummary]byte
	if text := transform.AppendSummary(room[:0], e, action, r); len(text) > 0 {
		l.Text("msg=", unsafe.String(&text[0], len(text)), maxText)
	}
}
