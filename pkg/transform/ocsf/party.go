package ocsf

import (
	"cmp"
	"strings"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// actor writes who did it. The schema wants a user with a name or a uid, or an
// application.
func (w *writer) actor(e *source.Event) {
	if transform.Acted(e) && named(&e.Actor) {
		w.user(`"actor":{"user":{`, &e.Actor)
		w.End()
		return
	}
	w.Text(`"actor":{"app_name":`, cmp.Or(e.Actor.Name, e.Actor.Type, machine(e)))
	w.End()
}

// machine names what stands where nobody and no address is named.
func machine(e *source.Event) string {
	switch {
	case e.Gap:
		return "Sluice"
	case e.Action == "":
		return "Unknown"
	}
	return "PlanetScale"
}

// user writes a person or a token, which has a name or a uid. A display name is
// all the name there is.
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

// isPerson reports whether p is a person, also as the member of something.
func isPerson(p *source.Party) bool {
	return p.Type == "User" || strings.HasSuffix(p.Type, "Membership")
}

// email is a name that is an e-mail address in the sense of the schema, whose
// domains hold letters, digits and hyphens only. It is empty for any other name,
// and for one that would be cut.
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

// origin writes where the actor was.
func (w *writer) origin(e *source.Event, ip []byte) {
	endpoint := w.Open(`"src_endpoint":{`)
	switch {
	case len(ip) > 0:
		w.Plain(`"ip":`, ip)
	case e.RemoteIP != "":
		w.Text(`"name":`, e.RemoteIP)
	default:
		w.Text(`"svc_name":`, machine(e))
	}
	if e.Origin != nil {
		w.location(e.Origin)
		w.autonomousSystem(e.Origin)
	}
	w.Close(endpoint)
}

// affected writes whom or what it was done to, as the class has it.
func (w *writer) affected(s *subject) {
	switch s.class.UID {
	case accountChange:
		w.user(`"user":{`, &s.User)
	case authentication:
		w.user(`"user":{`, &s.User)
		w.Raw(`"service":{"name":"PlanetScale"},"is_remote":true,`)
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
	case isPerson(p):
		w.Raw(`"type_id":2,"type":"User",`)
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

// unnamed writes the types of objects that are no resources, for those have a
// name or a uid.
func (w *writer) unnamed(e *source.Event) {
	if !named(&e.Auditable) {
		w.Text(`"auditable_type":`, e.Auditable.Type)
	}
	if !named(&e.Target) {
		w.Text(`"target_type":`, e.Target.Type)
	}
}
