package posting

import (
	"maps"
	"net/http"
)

// Rule is what an answer means, with advice for people.
type Rule struct {
	Verdict Verdict
	Hint    string
}

// Statuses is what statuses of HTTP mean: of one status, such as 413, or else of its class,
// such as 4 for 400 to 499. A status without a rule is Destination.
type Statuses map[int]Rule

// Judge returns the rule of a status.
func (s Statuses) Judge(status int) Rule {
	if status < 100 { // 002 is no status, and not a class either.
		return Rule{Destination, ""}
	}
	for _, key := range [...]int{status, status / 100} {
		if rule, ok := s[key]; ok {
			return rule
		}
	}
	return Rule{Destination, ""}
}

// Reply returns the rule of a reply, which is that of its status.
func (s Statuses) Reply(r Reply) Rule { return s.Judge(r.Status) }

// With returns a copy of the table in which rules of another take precedence.
func (s Statuses) With(other Statuses) Statuses {
	all := maps.Clone(s)
	maps.Copy(all, other)
	return all
}

const (
	credentialHint = "make sure that the credential is right and may write to this address"
	addressHint    = "make sure that url is the address at which the server takes events"
	redirectHint   = "redirects are not followed, since they would carry the credential and the events to another address; set url to the address itself"
)

// Common is what statuses mean where a server does not say otherwise (RFC 9110, section 15;
// RFC 6585; RFC 8470 for 425).
var Common = Statuses{
	2:                                  {Delivered, ""},
	3:                                  {Destination, redirectHint},
	4:                                  {Destination, addressHint},
	5:                                  {Retry, ""},
	http.StatusBadRequest:              {Rejected, ""},
	http.StatusUnprocessableEntity:     {Rejected, ""},
	http.StatusUnauthorized:            {Unauthorized, credentialHint},
	http.StatusForbidden:               {Unauthorized, credentialHint},
	http.StatusRequestTimeout:          {Retry, ""},
	http.StatusTooEarly:                {Retry, ""},
	http.StatusTooManyRequests:         {Retry, ""},
	http.StatusRequestEntityTooLarge:   {Split, ""},
	http.StatusMethodNotAllowed:        {Destination, "make sure that the server takes events with this method at this address"},
	http.StatusUnsupportedMediaType:    {Destination, "set compression: none if the server cannot read the compression, and the content type that it wants"},
	http.StatusProxyAuthRequired:       {Destination, ""}, // see setting.Peer.ExplainAnswer
	http.StatusHTTPVersionNotSupported: {Destination, addressHint},
}
