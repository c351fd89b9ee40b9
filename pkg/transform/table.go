package transform

// The severities. An action takes the larger one of its resource and its verb.
const (
	reads      = 1 // looking at something, signing in
	changes    = 3 // creating and updating
	sensitive  = 6 // deleting; roles, tokens, passwords, permissions
	alarming   = 8 // the organization's protection itself is weakened, or a credential leaked
	unassuming = 0 // leaves the severity to the other table
)

var (
	configuration = []string{"configuration"}
	database      = []string{"configuration", "database"}
	identity      = []string{"iam"}
	signIn        = []string{"authentication"}
)

// resource is a row of the table of resources: what comes before the dot of an
// action.
type resource struct {
	name       string
	categories []string
	subject    string // a second event.type where the category is iam: what kind of identity
	severity   int
}

// resources begins with the row of an unknown resource.
var resources = []resource{
	{"", configuration, "", unassuming},

	{"backup_policy", database, "", unassuming},
	{"branch", database, "", unassuming},
	{"branch_maintenance_schedule", database, "", unassuming},
	{"branch_maintenance_window", database, "", unassuming},
	{"database", database, "", unassuming},
	{"database_branch", database, "", unassuming},
	{"database_branch_keyspace", database, "", unassuming},
	{"database_branch_read_only_region", database, "", unassuming},
	{"database_deploy_request", database, "", unassuming},
	{"deploy_request", database, "", unassuming},
	{"deploy_request_review", database, "", unassuming},
	{"deployment", database, "", unassuming},
	{"external_datasource", database, "", unassuming},
	{"regional_failover_event", database, "", unassuming},

	{"database_webhook", configuration, "", unassuming},
	{"integration", configuration, "", unassuming},
	{"organization", configuration, "", unassuming},

	{"organization_invitation", identity, "user", unassuming},
	{"organization_membership", identity, "user", unassuming},
	{"organization_team", identity, "group", unassuming},
	{"user", identity, "user", unassuming},

	{"access_token", identity, "admin", sensitive},
	{"database_branch_password", identity, "admin", sensitive},
	{"postgres_role", identity, "admin", sensitive},
	{"service_token", identity, "admin", sensitive},
}

// verb is a row of the table of verbs: what comes after the dot of an action,
// or the first word of it.
type verb struct {
	name       string
	kind       string // event.type
	severity   int
	categories []string // in place of the resource's
	subject    string   // with them, for a resource that has none
}

// verbs begins with the row of an unknown verb.
var verbs = []verb{
	{"", "info", changes, nil, ""},

	{"added", "creation", changes, nil, ""},
	{"approved", "change", changes, nil, ""},
	{"closed", "change", changes, nil, ""},
	{"created", "creation", changes, nil, ""},
	{"deleted", "deletion", sensitive, nil, ""},
	{"disabled", "change", changes, nil, ""},
	{"downloaded", "access", reads, nil, ""},
	{"enabled", "change", changes, nil, ""},
	{"finished", "info", reads, nil, ""},
	{"granted", "change", sensitive, nil, ""},
	{"open", "access", changes, nil, ""},
	{"promoted", "change", changes, nil, ""},
	{"queued", "change", changes, nil, ""},
	{"removed", "deletion", sensitive, nil, ""},
	{"renamed", "change", changes, nil, ""},
	{"requested_deletion", "change", sensitive, nil, ""},
	{"revoked", "deletion", sensitive, nil, ""},
	{"started", "info", reads, nil, ""},
	{"unqueued", "change", changes, nil, ""},
	{"updated", "change", changes, nil, ""},
	{"viewed", "access", reads, nil, ""},

	{"added_member", "change", changes, identity, "user"},
	{"joined", "change", changes, identity, "user"},
	{"left", "change", changes, identity, "user"},
	{"removed_member", "change", sensitive, identity, "user"},
	{"updated_role", "change", sensitive, identity, "user"},

	{"signed_in", "start", reads, signIn, ""},
	{"signed_out", "end", reads, signIn, ""},

	{"password_leaked", "info", alarming, nil, ""},
	{"token_leaked", "info", alarming, nil, ""},
}

// exception is an action that the two tables would not treat as it deserves.
type exception struct {
	action     string
	categories []string
	types      []string
	severity   int
}

var exceptions = []exception{
	{"organization.deleted", configuration, []string{"deletion"}, alarming},
	{"organization.disabled_sso", configuration, []string{"change"}, alarming},
	{"organization.disabled_sso_directory", configuration, []string{"change"}, alarming},
	// Events are missing from the log that reaches the destination.
	{"sluice.gap", configuration, []string{"info"}, alarming},
}
