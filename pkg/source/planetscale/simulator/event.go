package simulator

import (
	"strconv"
	"time"
)

// timeLayout is how the API writes a time, in UTC.
const timeLayout = "2006-01-02T15:04:05.000Z"

// generator renders the event of each number. It is safe for concurrent use.
type generator struct {
	identity identity
	tame     bool
	origin   uint64
	cast     *cast
}

func newGenerator(c Config) generator {
	return generator{
		identity: newIdentity(c.Seed),
		tame:     c.Tame,
		origin:   mix(c.Seed, 0xe7e47),
		cast:     newCast(c.Seed, c.Tame),
	}
}

// part is a field that may hold hostile text.
type part int

const (
	noPart part = iota
	targetName
	auditableName
	locationText
	metadataText
	wholeMetadata
	parts
)

// typicalSize is a size in bytes that most events do not exceed.
const typicalSize = 800

// One in oneHostile events has hostile text in one of its parts. Events of hostile
// actors come on top.
const oneHostile = 8

// generate appends an event as JSON, keys in the order of the reference page.
func (g *generator) generate(dst []byte, number, created int64) []byte {
	d := draw{mix(g.origin, uint64(number))}
	actor := &g.cast.actors[d.below(len(g.cast.actors))]
	act := &g.cast.actions[d.below(len(g.cast.actions))]
	hostile := noPart
	if !g.tame && d.oneIn(oneHostile) {
		hostile = part(1 + d.below(int(parts)-1))
	}
	text := g.identity.of(number)
	dst = append(append(append(dst, `{"id":"`...), text[:]...), `",`...)
	dst = append(dst, actor.head...)
	dst = g.subject(dst, &d, act, actor, hostile)
	dst = append(append(dst, `,"created_at":`...), '"')
	dst = time.UnixMilli(created).UTC().AppendFormat(dst, timeLayout)
	when := dst[len(dst)-len(timeLayout):]
	dst = append(append(append(dst, `","updated_at":"`...), when...), `","metadata":`...)
	return append(g.metadata(dst, &d, hostile), '}')
}

// subject appends the keys from auditable_id to remote_ip.
func (g *generator) subject(dst []byte, d *draw, act *action, actor *actor, hostile part) []byte {
	auditable := g.cast.object(act.auditable, d)
	target := g.cast.object(act.target, d)
	dst = append(append(dst, `,"auditable_id":`...), auditable.id...)
	dst = append(append(dst, `,"auditable_type":`...), auditable.kind...)
	dst = append(append(dst, `,"target_id":`...), target.id...)
	dst = append(append(dst, `,"target_type":`...), target.kind...)
	seat := &actor.seats[d.below(len(actor.seats))]
	dst = append(append(dst, `,"location":`...), hostileOr(seat.location, hostile == locationText, d)...)
	dst = append(append(dst, `,"target_display_name":`...), hostileOr(target.name, hostile == targetName, d)...)
	dst = append(append(dst, `,"audit_action":`...), act.name...)
	dst = append(append(dst, `,"action":`...), act.verb...)
	dst = append(append(dst, `,"actor_display_name":`...), actor.name...)
	dst = append(append(dst, `,"auditable_display_name":`...), hostileOr(auditable.name, hostile == auditableName, d)...)
	return append(append(dst, `,"remote_ip":`...), seat.address...)
}

func hostileOr(calm string, hostile bool, d *draw) string {
	if hostile {
		return hostileText(d)
	}
	return calm
}

// metadata appends a value in one of the shapes that were seen or can be expected. In a
// tame log it is an object or null, as in the schema.
func (g *generator) metadata(dst []byte, d *draw, hostile part) []byte {
	switch {
	case hostile == metadataText:
		dst = append(append(dst, `{"comment":`...), hostileText(d)...)
		dst = append(append(dst, `,"labels":{`...), hostileText(d)...)
		return append(append(append(dst, `:[`...), hostileText(d)...), `,null]}}`...)
	case hostile == wholeMetadata:
		return append(dst, oddMetadata[d.below(len(oddMetadata))]...)
	}
	branch := g.cast.object(kindBranch, d)
	user := g.cast.object(kindUser, d)
	count := int64(d.below(1 << 30))
	switch d.below(10) {
	case 0:
		return append(dst, `null`...)
	case 1:
		return append(dst, `{}`...)
	case 2, 3:
		return append(append(append(dst, `{"from":`...), branch.name...), `,"into":"main"}`...)
	case 4:
		return appendNumbers(dst, branch, count)
	case 5:
		return appendMembership(dst, user, count)
	default:
		return appendRequest(dst, branch, user, count)
	}
}

// appendNumbers appends numbers, some of which a float64 cannot hold.
func appendNumbers(dst []byte, branch *object, count int64) []byte {
	dst = append(append(dst, `{"branch":`...), branch.name...)
	dst = strconv.AppendInt(append(dst, `,"rows_read":`...), 1<<53+count, 10)
	dst = strconv.AppendInt(append(dst, `,"lsn":1844674407370955`...), 1<<30+count, 10)
	dst = strconv.AppendInt(append(dst, `,"cost":-`...), count%1000, 10)
	dst = strconv.AppendInt(append(dst, `.250,"ratio":1.5e-7,"budget":6.02E+23,"bytes":`...), count, 10)
	return append(dst, `,"replicas":0,"safe_migrations":true,"expires_at":null,"zones":[]}`...)
}

func appendMembership(dst []byte, user *object, count int64) []byte {
	dst = append(append(dst, `{"member":{"id":`...), user.id...)
	dst = append(append(dst, `,"name":`...), user.name...)
	dst = append(dst, `,"sso":false},"role":{"from":"member","to":"administrator"},"teams":["platform","on-call"],"previous_value":`...)
	return append(strconv.AppendInt(dst, count, 10), '}')
}

// appendRequest appends the longest shape: settings with a nested change set.
func appendRequest(dst []byte, branch, user *object, count int64) []byte {
	dst = append(append(dst, `{"branch":{"id":`...), branch.id...)
	dst = append(append(dst, `,"name":`...), branch.name...)
	dst = append(dst, `,"production":true,"region":{"slug":"us-east","provider":"AWS"}},"changes":[{"name":"cluster_size","from":"PS_10","to":"PS_20"},{"name":"replicas","from":2,"to":`...)
	dst = strconv.AppendInt(dst, 3+count%5, 10)
	dst = append(append(dst, `}],"requested_by":`...), user.name...)
	return append(strconv.AppendInt(append(dst, `,"request_number":`...), count, 10), '}')
}
