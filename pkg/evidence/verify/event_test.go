package verify_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
)

// raw makes up an event. Its time may be before that of others.
func (h *history) raw(i int) string {
	at := h.now.Add(-time.Hour + time.Duration(i)*time.Second - time.Duration(h.IntN(3)*h.IntN(300))*time.Second)
	action := []string{"database.created", "branch.deleted", "deploy_request.queued", "organization.invited_member", "service_token.created", "no.such_action"}[h.IntN(6)]
	id := fmt.Sprintf("%c%dx%x", 'a'+i%26, i, h.Uint32())
	address := []string{`"203.0.113.7"`, `"2001:db8::1"`, `"not an address"`, `null`}[h.IntN(4)]
	actor := []string{`"u1"`, `"a very long id that no format has room for, of more than sixty-three characters"`, `"odd=|\\\\\""`, `null`}[h.IntN(4)]
	return fmt.Sprintf(`{"id":%q,"type":"AuditLogEvent","actor_id":%s,"actor_type":"User","auditable_id":"d%d","auditable_type":"Database","target_id":"t%d",`+
		`"target_type":"Organization","location":"Chicago, IL","target_display_name":"o","audit_action":%q,"action":%q,"actor_display_name":"ada@example.com",`+
		`"auditable_display_name":"orders %d","remote_ip":%s,"created_at":%q,"updated_at":%q,"metadata":{"n":%d,"text":"a \"quoted\" \u00e9"}}`,
		id, actor, h.IntN(50), h.IntN(5), action, action[strings.IndexByte(action, '.')+1:], i, address,
		at.Format("2006-01-02T15:04:05.000Z"), at.Format("2006-01-02T15:04:05.000Z"), i)
}

var parse = planetscale.Type().Parse

// event returns an event as a lane delivers it by its settings, which may redact it.
func (l *lane) event(i int) source.Event {
	raw := l.source[i]
	if l.settings%2 == 1 {
		raw = strings.Replace(raw, "Chicago, IL", "[redacted]", 1)
	}
	if strings.Contains(raw, `"n":13,`) {
		raw = strings.Replace(raw, `"created_at":"`, `"created_at":"never `, 1)
	}
	events, err := parse([]byte(raw), organization)
	if err != nil || len(events) != 1 {
		panic(fmt.Sprint(err, raw))
	}
	e := events[0]
	e.Hash = e.Sum()
	e.Read = l.now
	return e
}
