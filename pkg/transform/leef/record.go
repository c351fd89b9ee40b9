package leef

import (
	"slices"
	"unsafe"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/internal/line"
)

const (
	maxEventID = 255
	maxName    = 255 // usrName and accountName (IBM, "Predefined LEEF event attributes")
	maxValue   = 4000
	maxID      = 255 // the longest id of any source; never shortened
	// leastEventID is the length to which an event id is shortened at most.
	leastEventID = 63
)

// truncated ends metadata that was cut.
const truncated = " [truncated]"

// attributes are those of a record.
type attributes struct{ line.Writer }

// append appends the record of e. whole is false if a value was shortened or
// left out.
func (c *encoder) append(dst []byte, e *source.Event, action *transform.Action, a line.Allowance) (body []byte, whole bool) {
	l := attributes{line.Writer{Rules: c.rules, Buf: dst, Longest: a.Longest, Exact: e.Number.Given()}}
	roles := c.catalogue.Resolve(e, action)
	l.Raw(c.begin)
	l.eventID(e.Action)
	l.Raw(c.middle)
	l.happened(e, action)
	l.people(e, &roles)
	l.objects(e, &roles)
	l.ids(e, &roles)
	l.Text("forwarder=", c.host, maxValue)
	l.Text("location=", e.Location, maxValue)
	l.metadata(e, a.Metadata)
	l.Hash("rawSha256=", e)
	if e.Number.Given() {
		l.Number("epoch=", int64(e.Number.Epoch))
		l.Number("sequence=", int64(e.Number.Sequence))
	}
	l.Note("note=", e.Note)
	l.Text("problem=", e.Problem, maxValue)
	l.mark("late=true", e.Late)
	l.mark("replayed=true", e.Replayed)
	l.mark("ownToken=true", e.OwnToken)
	l.mark("gap=true", e.Gap)
	l.mark("unmapped=true", !action.Mapped)
	l.mark("truncated=true", l.Cut)
	return l.Buf[:len(l.Buf)-1], !l.Cut
}

// eventID writes the kind of event. It is shortened last.
func (l *attributes) eventID(action string) {
	if action == "" {
		l.Raw("unreadable")
		return
	}
	longest := min(maxEventID, max(l.Longest, leastEventID))
	l.Cut = len(action) > longest
	l.Buf = line.AppendClass(l.Buf, transform.Cut(action, longest))
}

func (l *attributes) happened(e *source.Event, action *transform.Action) {
	l.Number("devTime=", transform.Time(e).UnixMilli())
	l.Number("sev=", int64(max(action.Severity, 1)))
	l.Raw("cat=")
	for i, category := range action.Categories {
		if i > 0 {
			l.Raw(",")
		}
		l.Raw(category)
	}
	l.End()
	l.Raw("eventId=")
	l.Buf = line.AppendID(l.Buf, e.ID, maxID)
	l.End()
	l.Fact("action=", e.Action, maxValue)
	l.Text("title=", action.Title, maxValue)
	l.Text("outcome=", action.Outcome(), maxValue)
	l.mark("isLoginEvent=true", slices.Contains(action.Categories, "authentication") && slices.Contains(action.Types, "start"))
	l.mark("isLogoutEvent=true", slices.Contains(action.Categories, "authentication") && slices.Contains(action.Types, "end"))
}

func (l *attributes) people(e *source.Event, r *transform.Roles) {
	if ip := transform.Address(e.RemoteIP); ip.IsValid() {
		l.Raw("src=")
		l.Buf = ip.AppendTo(l.Buf)
		l.End()
	}
	l.Text("usrName=", r.Actor.Name, maxName)
	l.Fact("actorId=", r.Actor.ID, maxValue)
	l.Text("actorType=", r.ActorType, maxValue)
	l.Identity("accountName=", e.Organization, maxName)
	l.Text("targetUser=", r.User.Name, maxValue)
	l.Text("targetUserId=", r.User.ID, maxValue)
	l.Text("targetRole=", r.After, maxValue)
	l.Text("groupID=", r.Team.ID, maxValue)
}

func (l *attributes) objects(e *source.Event, r *transform.Roles) {
	l.Text("resource=", r.Object.Name, maxValue)
	l.Fact("resourceId=", r.Object.ID, maxValue)
	l.Text("resourceType=", r.Object.Type, maxValue)
	l.Text("container=", r.Container.Name, maxValue)
	l.Fact("containerId=", r.Container.ID, maxValue)
	l.Text("containerType=", r.Container.Type, maxValue)
	for i := range e.Objects {
		p := &e.Objects[i]
		if *p == r.Object || *p == r.Container || p.Type == "User" && *p == r.User {
			continue
		}
		l.Text("other=", p.Name, maxValue)
		l.Text("otherId=", p.ID, maxValue)
		l.Text("otherType=", p.Type, maxValue)
	}
}

// ids writes the ids of the objects in their order, if resourceId and containerId are not
// in it: a leaf binds which is which.
func (l *attributes) ids(e *source.Event, r *transform.Roles) {
	if !l.Exact || e.Objects[0].ID == r.Object.ID && e.Objects[1].ID == r.Container.ID {
		return
	}
	l.Fact("firstId=", e.Objects[0].ID, maxValue)
	l.Fact("secondId=", e.Objects[1].ID, maxValue)
}

// metadata writes the metadata, or leaves it out and marks the record as truncated.
func (l *attributes) metadata(e *source.Event, room bool) {
	key, value := "metadata=", e.Metadata
	if e.Gap || e.Action == "" {
		key, value = "original=", e.Raw
	}
	if len(value) == 0 {
		return
	}
	if !room {
		l.Cut = true
		return
	}
	begin := len(l.Buf)
	l.Raw(key)
	first := len(l.Buf)
	l.Marked(unsafe.String(&value[0], len(value)), maxValue, truncated) // Events are never changed.
	if len(l.Buf) == first {
		l.Buf = l.Buf[:begin]
		return
	}
	l.End()
}

func (l *attributes) mark(pair string, holds bool) {
	if holds {
		l.Raw(pair)
		l.End()
	}
}
