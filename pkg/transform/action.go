package transform

// Action is what the catalogue knows about an action of the source. It is shared
// and must not be changed.
type Action struct {
	Title      string    // in words, for people; may be empty
	Alias      string    // what the other vocabulary of the API calls it; empty if the same or unknown
	Categories []string  // ECS event.category
	Types      []string  // ECS event.type; each is expected by one of the categories
	API        Class     // OCSF API Activity, which fits every action
	IAM        Class     // OCSF class of the category IAM; zero if none fits
	Object     string    // type of the object, as events name it; empty if unknown
	Changes    string    // the attribute whose values from and to in the metadata are: "roles" or empty
	Self       bool      // the actor is also the affected user, as in joining and signing in
	Severity   int       // 0 to 10
	Reason     string    // of the severity
	Technique  Technique // zero if none fits
	Mapped     bool      // false if the action has no entry and rules made this
	Rule       string    // which entry or rules of the catalogue made this, for people
}

// Technique is one of MITRE ATT&CK for Enterprise.
type Technique struct {
	ID   string // such as "T1098.001"
	Name string // of a sub-technique: the technique's name, a colon and its own
}

// Outcome returns the outcome of the action, in the words of ECS. The API states none,
// but an action that was logged happened. It is empty for the types access and info.
func (a *Action) Outcome() string {
	switch a.Types[0] {
	case "access", "info":
		return ""
	}
	return "success"
}
