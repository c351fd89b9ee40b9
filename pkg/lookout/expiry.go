package lookout

import (
	"fmt"
	"time"

	"github.com/sluice-siem/sluice/pkg/source/ownlog"
)

// Expiry is a credential whose end is known.
type Expiry struct {
	Subject ownlog.Party // whose it is
	What    string       // the key and the file, such as "tls.cert_file /etc/sluice/client.pem"
	End     time.Time
}

const (
	expiresSoon  = 14 * 24 * time.Hour
	expiryPause  = 24 * time.Hour // until it is said again
	expiryChecks = time.Hour      // between two looks at all credentials
)

// lookAtExpiries says once a day that a credential ends soon, or has ended.
func (l *Lookout) lookAtExpiries(now time.Time) {
	if l.Expiries == nil || !l.checked.IsZero() && now.Sub(l.checked) < expiryChecks {
		return
	}
	l.checked = now
	said := map[Expiry]time.Time{}
	for _, x := range l.Expiries() {
		if x.End.Sub(now) > expiresSoon {
			continue
		}
		if said[x] = l.warned[x]; now.Sub(said[x]) >= expiryPause && l.Say(expires(x, now)) {
			said[x] = now
		}
	}
	l.warned = said
}

func expires(x Expiry, now time.Time) ownlog.Event {
	left := x.End.Sub(now)
	text := fmt.Sprintf("A credential of %s %s expires at %s: %s", x.Subject.Type, x.Subject.Name, stamp(x.End), x.What)
	if left <= 0 {
		text = fmt.Sprintf("A credential of %s %s expired at %s: %s", x.Subject.Type, x.Subject.Name, stamp(x.End), x.What)
	}
	e := ownlog.New(ownlog.CredentialExpires, x.Subject, text)
	e.Details = map[string]any{"credential": x.What, "expires": stamp(x.End), "days_left": int(left.Hours() / 24)}
	return e
}
