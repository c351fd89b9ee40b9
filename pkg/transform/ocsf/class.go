package ocsf

import (
	"strings"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// The classes, by class_uid.
const (
	accountChange    = 3001
	authentication   = 3002
	entityManagement = 3004
	userAccess       = 3005
	groupManagement  = 3006
)

// unreadable is the class of an event whose action is unknown.
var unreadable = transform.Class{UID: 6003, Name: "API Activity", Activity: 0, ActivityName: "Unknown"}

// subject is an event as its class sees it.
type subject struct {
	transform.Roles
	class     transform.Class
	privilege string           // what was assigned or revoked, in User Access Management
	resources [2]*source.Party // the object, if there is one, before the other; each once
}

var nothing source.Party

// subject decides on the class. It is one of Identity & Access Management only if the
// event has what that class requires.
func (c *encoder) subject(e *source.Event, action *transform.Action) subject {
	s := subject{Roles: c.catalogue.Resolve(e, action), class: action.API}
	s.resources = [...]*source.Party{&e.Objects[0], &e.Objects[1]}
	switch {
	case e.Objects[0] == e.Objects[1]:
		s.resources[1] = &nothing
	case e.Objects[0] != s.Object:
		s.resources = [...]*source.Party{&e.Objects[1], &e.Objects[0]}
	}
	if e.Action == "" {
		s.class = unreadable
	}
	if !c.iam || action.IAM.UID == 0 {
		return s
	}
	iam := s.access(action.IAM)
	if s.allows(iam.UID) {
		s.class = iam
	}
	return s
}

// The activities of User Access Management.
var (
	assign = transform.Class{UID: userAccess, Name: "User Access Management", Activity: 1, ActivityName: "Assign Privileges"}
	revoke = transform.Class{UID: userAccess, Name: "User Access Management", Activity: 2, ActivityName: "Revoke Privileges"}
)

// access returns the class, and notes the privilege that it is about. A change of roles
// assigns the new role if that is the stronger one, and revokes the old role if that was.
// The schema requires privileges, and the event names none but roles.
func (s *subject) access(class transform.Class) transform.Class {
	if class.UID == userAccess && class.Activity == other {
		switch {
		case s.Rise > 0:
			class = assign
		case s.Rise < 0:
			class = revoke
		}
	}
	s.privilege = s.After
	if class == revoke {
		s.privilege = s.Before
	}
	return class
}

// allows reports whether the event has what the schema requires of the class.
func (s *subject) allows(class int) bool {
	switch class {
	case accountChange, authentication:
		return named(&s.User)
	case entityManagement:
		return named(&s.Object)
	case userAccess:
		return named(&s.User) && s.privilege != ""
	case groupManagement:
		return named(&s.Team)
	}
	return false
}

// named reports whether the schema accepts p: users, groups, entities and resources need a
// name or a uid.
func named(p *source.Party) bool { return p.ID != "" || p.Name != "" }

// classify writes the class and activity of the event, each as a number and its caption.
// If the class does not have the activity, the caption is the source's own.
func (w *writer) classify(e *source.Event, class transform.Class) {
	w.Number(`"class_uid":`, int64(class.UID))
	w.Raw(`"class_name":"`)
	w.Raw(class.Name)
	if class.UID/1000 == 3 {
		w.Raw(`","category_uid":3,"category_name":"Identity & Access Management",`)
	} else {
		w.Raw(`","category_uid":6,"category_name":"Application Activity",`)
	}
	w.Number(`"activity_id":`, int64(class.Activity))
	activity := class.ActivityName
	if class.Activity == other && e.Verb != "" {
		activity = e.Verb
	}
	w.Text(`"activity_name":`, activity)
	w.Number(`"type_uid":`, int64(class.UID)*100+int64(class.Activity))
	w.Raw(`"type_name":"`)
	w.Raw(class.Name)
	w.Raw(`: `)
	w.Raw(class.ActivityName)
	w.Raw(`",`)
}

// other is the number for values that an enumeration does not have.
const other = 99

// severities are the members for each severity of the catalogue. It never uses Fatal,
// which the schema has for damage that was done.
var severities = [...]string{
	0:  `"severity_id":1,"severity":"Informational",`,
	1:  `"severity_id":1,"severity":"Informational",`,
	2:  `"severity_id":1,"severity":"Informational",`,
	3:  `"severity_id":2,"severity":"Low",`,
	4:  `"severity_id":3,"severity":"Medium",`,
	5:  `"severity_id":3,"severity":"Medium",`,
	6:  `"severity_id":3,"severity":"Medium",`,
	7:  `"severity_id":4,"severity":"High",`,
	8:  `"severity_id":4,"severity":"High",`,
	9:  `"severity_id":5,"severity":"Critical",`,
	10: `"severity_id":5,"severity":"Critical",`,
}

// technique writes the technique of MITRE ATT&CK. The name of a sub-technique follows that
// of its technique.
func (w *writer) technique(t transform.Technique) {
	if t.ID == "" {
		return
	}
	id, _, isSub := strings.Cut(t.ID, ".")
	name, subName, _ := strings.Cut(t.Name, ": ")
	w.Text(`"attacks":[{"technique":{"uid":`, id)
	w.Text(`"name":`, name)
	w.End()
	if isSub {
		w.Text(`"sub_technique":{"uid":`, t.ID)
		w.Text(`"name":`, subName)
		w.End()
	}
	w.End()
	w.EndArray()
}
