package transform

// Action is what the catalogue knows about an action of the source. It is shared
// and must not be changed.
type Action struct {
	Title      string    // in words, for people; empty if nobody wrote one
	Alias      string    // what the other vocabulary of the API calls it; empty if the same or unknown
	Categories []string  // ECS event.category
	Types      []string  // ECS event.type; each is expected by one of the categories
	API        Class     // OCSF API Activity, which fits every action
	IAM        Class     // OCSF class of the category IAM; zero where none fits
	Object     string    // type of what it is done to, as in auditable_type; empty if not known
	Changes    string    // attribute of the object that from and to in the metadata are about: "roles" or none
	Self       bool      // people do it to themselves, as joining and signing in
	Severity   int       // 0 to 10
	Reason     string    // of the severity
	Technique  Technique // zero where none fits
	Mapped     bool      // false if the action has no entry of its own and rules made this
	Rule       string    // which entry or rules of the catalogue made this, for people
}

// Class is a class of OCSF and an activity in it, by number and by the caption
// that the schema gives. The category is UID/1000.
type Class struct {
	UID          int
	Name         string // such as "Group Management"
	Activity     int
	ActivityName string // such as "Add User"
}

// Technique is one of MITRE ATT&CK for Enterprise.
type Technique struct {
	ID   string // such as "T1098.001"
	Name string // a sub-technique's behind its technique's and a colon
}

// Outcome is the outcome of the action, in the words of ECS. The API states
// none, but an action that was logged happened. It is empty for reads and for
// what merely informs.
func (a *Action) Outcome() string {
	switch a.Types[0] {
	case "access", "info":
		return ""
	}
	return "success"
}
