package ocsf

import (
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// pointers are the starts of the observables of one object, with the names of its
// attributes and their types.
type pointers struct{ uid, name, email string }

var (
	toActor = pointers{
		uid:   `{"name":"actor.user.uid","type_id":31,"type":"User Object: uid","value":`,
		name:  `{"name":"actor.user.name","type_id":4,"type":"User Name","value":`,
		email: `{"name":"actor.user.email_addr","type_id":5,"type":"Email Address","value":`,
	}
	toUser = pointers{
		uid:   `{"name":"user.uid","type_id":31,"type":"User Object: uid","value":`,
		name:  `{"name":"user.name","type_id":4,"type":"User Name","value":`,
		email: `{"name":"user.email_addr","type_id":5,"type":"Email Address","value":`,
	}
	toEntity = pointers{
		uid:   `{"name":"entity.user.uid","type_id":31,"type":"User Object: uid","value":`,
		name:  `{"name":"entity.user.name","type_id":4,"type":"User Name","value":`,
		email: `{"name":"entity.user.email_addr","type_id":5,"type":"Email Address","value":`,
	}
	toGroup = pointers{
		uid:  `{"name":"group.uid","type_id":33,"type":"Group Object: uid","value":`,
		name: `{"name":"group.name","type_id":32,"type":"Group Object: name","value":`,
	}
)

const toAddress = `{"name":"src_endpoint.ip","type_id":2,"type":"IP Address","value":`

// toResource are the pointers to resources, by index.
var toResource = [...]pointers{
	{
		uid:  `{"name":"resources[0].uid","type_id":10,"type":"Resource UID","value":`,
		name: `{"name":"resources[0].name","type_id":38,"type":"Resource Details Object: name","value":`,
	}, {
		uid:  `{"name":"resources[1].uid","type_id":10,"type":"Resource UID","value":`,
		name: `{"name":"resources[1].name","type_id":38,"type":"Resource Details Object: name","value":`,
	},
}

// observables writes pointers to the values that people search for.
func (w *writer) observables(e *source.Event, s *subject, ip []byte) {
	observables := w.Open(`"observables":[`)
	if len(ip) > 0 {
		w.Plain(toAddress, ip)
		w.End()
	}
	if transform.Acted(e) {
		w.pointToUser(toActor, &e.Actor)
	}
	switch s.class.UID {
	case accountChange, authentication, userAccess:
		w.pointToUser(toUser, &s.User)
	case entityManagement:
		if s.Object.Type == "User" {
			w.pointToUser(toEntity, &s.Object)
		}
	case groupManagement:
		w.point(toGroup.uid, s.Team.ID)
		w.point(toGroup.name, s.Team.Name)
		w.pointToUser(toUser, &s.User)
	}
	if hasResources(s.class) {
		w.pointToResources(s)
	}
	w.CloseArray(observables)
}

// pointToResources uses the indexes that resources gives them.
func (w *writer) pointToResources(s *subject) {
	place := 0
	for _, p := range s.resources {
		if named(p) {
			w.point(toResource[place].uid, p.ID)
			w.point(toResource[place].name, p.Name)
			place++
		}
	}
}

func (w *writer) pointToUser(to pointers, p *source.Party) {
	w.point(to.uid, p.ID)
	w.point(to.name, p.Name)
	w.point(to.email, w.email(p.Name))
}

// point writes an observable, unless its value is empty.
func (w *writer) point(to, value string) {
	if value != "" {
		w.Text(to, value)
		w.End()
	}
}
