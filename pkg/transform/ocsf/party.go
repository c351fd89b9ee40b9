package ocsf

import (
	"cmp"
	"strings"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// actor writes the actor. The schema requires a user with a name or a uid, or an
// application.
func (w *writer) actor(e *source.Event, product string) {
	if transform.Acted(e) && named(&e.Actor) {
		w.user(`"actor":{"user":{`, &e.Actor)
		w.End()
		return
	}
	w.Text(`"actor":{"app_name":`, cmp.Or(e.Actor.Name, e.Actor.Type, machine(e, product)))
	w.End()
}

// machine names the actor and the source of an event that has none.
func machine(e *source.Event, product string) string {
	switch {
	case transform.OwnEvent(e):
		return "Sluice"
	case e.Action == "":
		return "Unknown"
	}
	return product
}

// user writes a person or a token, which has a name or a uid. The display name is the only
// name that the API has.
func (w *writer) user(key string, p *source.Party) {
	user := w.Open(key)
	w.Text(`"uid":`, p.ID)
	w.Text(`"name":`, p.Name)
	w.Text(`"full_name":`, p.Name)
	w.Text(`"email_addr":`, w.email(p.Name))
	switch {
	case isPerson(p):
		w.Raw(`"type_id":1,"type":"User",`)
	case strings.HasSuffix(p.Type, "Token"):
		w.Raw(`"type_id":4,"type":"Service",`)
	case p.Type == "":
		w.Raw(`"type_id":0,"type":"Unknown",`)
	default:
		w.Raw(`"type_id":99,`)
		w.Text(`"type":`, p.Type)
	}
	w.Close(user)
}

// isPerson reports whether p is a person. The affected user may be somebody whom a
// membership or an invitation names.
func isPerson(p *source.Party) bool {
	return p.Type == "User" || strings.HasSuffix(p.Type, "Membership") || strings.HasSuffix(p.Type, "Invitation")
}

// email returns a name that is an e-mail address in the schema's sense: its domain has only
// letters, digits and hyphens. It is empty for any other name, and for one that would be
// cut.
func (w *writer) email(name string) string {
	if len(name) <= w.Longest && isEmail(name) {
		return name
	}
	return ""
}

func isEmail(name string) bool {
	if !transform.IsEmail(name) {
		return false
	}
	for _, c := range []byte(name[strings.IndexByte(name, '@')+1:]) {
		if !isLetterOrDigit(c) && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

func isLetterOrDigit(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// origin writes the address of the actor and its location.
func (w *writer) origin(e *source.Event, ip []byte, product string) {
	endpoint := w.Open(`"src_endpoint":{`)
	switch {
	case len(ip) > 0:
		w.Plain(`"ip":`, ip)
	case e.RemoteIP != "":
		w.Text(`"name":`, e.RemoteIP)
	default:
		w.Text(`"svc_name":`, machine(e, product))
	}
	if e.Origin != nil {
		w.location(e.Origin)
		w.autonomousSystem(e.Origin)
	}
	w.Close(endpoint)
}

// affected writes the affected user, group or entity in the fields of the class.
func (w *writer) affected(s *subject, signIn string) {
	switch s.class.UID {
	case accountChange:
		w.user(`"user":{`, &s.User)
	case authentication:
		w.user(`"user":{`, &s.User)
		w.Raw(signIn)
	case entityManagement:
		w.entity(&s.Object)
	case userAccess:
		w.user(`"user":{`, &s.User)
		w.Text(`"privileges":[`, s.privilege)
		w.EndArray()
	case groupManagement:
		w.group(&s.Team)
		if named(&s.User) {
			w.user(`"user":{`, &s.User)
		}
	}
	if hasResources(s.class) {
		w.resources(s)
	}
}

func (w *writer) entity(p *source.Party) {
	entity := w.Open(`"entity":{`)
	w.Text(`"uid":`, p.ID)
	w.Text(`"name":`, p.Name)
	switch {
	case p.Type == "User":
		w.Raw(`"type_id":2,"type":"User",`)
		w.user(`"user":{`, p)
	case p.Type == "Team" || p.Type == "OrganizationTeam":
		w.Raw(`"type_id":3,"type":"Group",`)
	case p.Type == "Organization":
		w.Raw(`"type_id":4,"type":"Organization",`)
	case p.Type == "":
		w.Raw(`"type_id":0,"type":"Unknown",`)
	default:
		w.Raw(`"type_id":99,`)
		w.Text(`"type":`, p.Type)
	}
	w.Close(entity)
}

func (w *writer) group(p *source.Party) {
	group := w.Open(`"group":{`)
	w.Text(`"uid":`, p.ID)
	w.Text(`"name":`, p.Name)
	w.Close(group)
}

func hasResources(class transform.Class) bool {
	return class.UID/1000 != 3 || class.UID == userAccess
}

func (w *writer) resources(s *subject) {
	resources := w.Open(`"resources":[`)
	for _, p := range s.resources {
		if !named(p) {
			continue
		}
		w.resource(p)
		if *p == s.Object {
			w.Raw(`"role_id":1,"role":"Target"},`)
		} else {
			w.Raw(`"role_id":4,"role":"Related"},`)
		}
	}
	w.CloseArray(resources)
}

// resource begins a resource, which ends with its role.
func (w *writer) resource(p *source.Party) {
	w.Raw("{")
	w.Text(`"uid":`, p.ID)
	w.Text(`"name":`, p.Name)
	w.Text(`"type":`, p.Type)
}

// unnamed writes the types of objects that are not resources, since they have neither name
// nor uid.
func (w *writer) unnamed(e *source.Event, kinds *[2]string) {
	for i := range e.Objects {
		if !named(&e.Objects[i]) {
			w.Text(kinds[i], e.Objects[i].Type)
		}
	}
}
