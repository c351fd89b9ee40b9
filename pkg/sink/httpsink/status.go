package httpsink

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink/internal/posting"
)

// Status is a status of HTTP, such as 413, or a class of them, such as 4xx.
type Status int

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Status) UnmarshalText(text []byte) error {
	if len(text) == 3 && text[0] >= '2' && text[0] <= '5' && string(text[1:]) == "xx" {
		*s = Status(text[0] - '0')
		return nil
	}
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 200 || n > 599 {
		return fmt.Errorf("%q is no status; write a number from 200 to 599, or a class such as 5xx", text)
	}
	*s = Status(n)
	return nil
}

// MarshalText is the inverse of UnmarshalText.
func (s Status) MarshalText() ([]byte, error) {
	if s < 10 {
		return fmt.Appendf(nil, "%dxx", int(s)), nil
	}
	return strconv.AppendInt(nil, int64(s), 10), nil
}

// Form implements setting.Formed.
func (Status) Form() setting.Form {
	return setting.Form{Name: "status", Pattern: `^([2-5][0-9][0-9]|[2-5]xx)$`, Number: true}
}

// Statuses are the keys that say what an answer means.
type Statuses struct {
	Accept      []Status `yaml:"accept_status" least:"1" default:"2xx" doc:"Statuses with which the server took all events of a request: numbers, or classes such as 2xx. A number goes before its class. A list replaces its default."`
	Reject      []Status `yaml:"reject_status" default:"400, 422" doc:"Statuses with which the server refuses an event of a request. Sluice finds it, puts it aside as a dead letter, and delivers the others."`
	Split       []Status `yaml:"split_status" default:"413" doc:"Statuses with which the server refuses a request as too large. Its halves are sent."`
	Retry       []Status `yaml:"retry_status" default:"408, 409, 425, 429, 5xx" doc:"Statuses after which the request is sent again, after the time in Retry-After if there is one."`
	Destination []Status `yaml:"destination_status" default:"every status in no other list" doc:"Statuses after which a person has to do something: the sink is unhealthy, and the request is sent again slowly. 401 and 403 also say that the credential is refused."`
}

func defaultStatuses() Statuses {
	return Statuses{
		Accept: []Status{2},
		Reject: []Status{http.StatusBadRequest, http.StatusUnprocessableEntity},
		Split:  []Status{http.StatusRequestEntityTooLarge},
		Retry:  []Status{http.StatusRequestTimeout, http.StatusConflict, http.StatusTooEarly, http.StatusTooManyRequests, 5},
	}
}

func (s *Statuses) lists() []statusList {
	return []statusList{
		{"accept_status", s.Accept, posting.Delivered}, {"reject_status", s.Reject, posting.Rejected}, {"split_status", s.Split, posting.Split},
		{"retry_status", s.Retry, posting.Retry}, {"destination_status", s.Destination, posting.Destination},
	}
}

type statusList struct {
	key     string
	list    []Status
	verdict posting.Verdict
}

// table returns what each status means. It keeps the hints of the common rules.
func (s *Statuses) table() posting.Statuses {
	said := map[Status]posting.Verdict{}
	for _, l := range s.lists() {
		for _, status := range l.list {
			said[status] = l.verdict
		}
	}
	all := posting.Statuses{}
	for status := 200; status < 600; status++ {
		verdict, ok := said[Status(status)]
		if !ok {
			verdict, ok = said[Status(status/100)]
		}
		if !ok {
			verdict = posting.Destination
		}
		all[status] = ruleFor(verdict, posting.Common.Judge(status))
	}
	return all
}

// ruleFor returns the rule of a status that has a verdict, and commonly another one.
func ruleFor(verdict posting.Verdict, common posting.Rule) posting.Rule {
	switch {
	case verdict == common.Verdict, verdict == posting.Destination && common.Verdict == posting.Unauthorized:
		return common
	case verdict == posting.Destination:
		return posting.Rule{Verdict: verdict, Hint: "find out what the server means by this status, and write it into one of the lists of statuses if it is no fault"}
	}
	return posting.Rule{Verdict: verdict}
}

func (s *Statuses) validate() (errs []error) {
	before := map[Status]string{}
	for _, l := range s.lists() {
		for i, status := range l.list {
			key := fmt.Sprintf("%s[%d]", l.key, i)
			if other, twice := before[status]; twice {
				errs = append(errs, setting.Invalid(key, errors.New("is in "+other+", too; keep it in one list")))
			}
			before[status] = l.key
		}
	}
	if len(s.Accept) == 0 {
		errs = append(errs, setting.Invalid("accept_status", errors.New("is empty, so nothing would ever count as delivered; write the statuses of success, such as 2xx")))
	}
	return errs
}
