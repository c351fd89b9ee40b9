package simulator

import (
	"strconv"
	"strings"
)

// kind is the type of an object.
type kind int

const (
	kindNone kind = iota
	kindOrganization
	kindUser
	kindTeam
	kindInvitation
	kindMembership
	kindServiceToken
	kindAccessToken
	kindIntegration
	kindDatabase
	kindBranch
	kindKeyspace
	kindPassword
	kindRole
	kindRegion
	kindDeployRequest
	kindReview
	kindDeployment
	kindWebhook
	kindBackupPolicy
	kindSchedule
	kindWindow
	kindDatasource
	kindFailover
	kinds
)

// kindNames are the values of the *_type keys. Only the first few are
// documented; the set is open.
var kindNames = [kinds]string{
	kindOrganization:  "Organization",
	kindUser:          "User",
	kindTeam:          "OrganizationTeam",
	kindInvitation:    "OrganizationInvitation",
	kindMembership:    "OrganizationMembership",
	kindServiceToken:  "ServiceToken",
	kindAccessToken:   "AccessToken",
	kindIntegration:   "Integration",
	kindDatabase:      "Database",
	kindBranch:        "DatabaseBranch",
	kindKeyspace:      "DatabaseBranchKeyspace",
	kindPassword:      "DatabaseBranchPassword",
	kindRole:          "PostgresRole",
	kindRegion:        "DatabaseBranchReadOnlyRegion",
	kindDeployRequest: "DeployRequest",
	kindReview:        "DeployRequestReview",
	kindDeployment:    "Deployment",
	kindWebhook:       "DatabaseWebhook",
	kindBackupPolicy:  "BackupPolicy",
	kindSchedule:      "BranchMaintenanceSchedule",
	kindWindow:        "BranchMaintenanceWindow",
	kindDatasource:    "ExternalDatasource",
	kindFailover:      "RegionalFailoverEvent",
}

// resources is the vocabulary of the current documentation, followed by the older one of
// the SDK. It is unknown which of them the API uses. The sources also contradict each
// other: in some the auditable is the object and the target its container, in others the
// reverse. So both arrangements are here.
var resources = []struct {
	name              string
	auditable, target kind
	verbs             string
}{
	{"access_token", kindUser, kindAccessToken, "created deleted token_leaked"},
	{"backup_policy", kindBackupPolicy, kindDatabase, "created deleted"},
	{"branch_maintenance_schedule", kindBranch, kindSchedule, "created deleted started_maintenance_window finished_maintenance_window"},
	{"branch_maintenance_window", kindBranch, kindWindow, "created deleted"},
	{"database", kindOrganization, kindDatabase, "created deleted requested_deletion"},
	{"database", kindDatabase, kindBranch, "updated_default_branch updated_migration_table_name"},
	{"database", kindDatabase, kindUser, "removed_member added_member"},
	{"database_branch", kindDatabase, kindBranch, "created deleted enabled_safe_migrations disabled_safe_migrations enabled_foreign_keys disabled_foreign_keys enabled_vectors updated_cluster_size updated_cluster_config updated_vtgates updated_cluster_update_strategy"},
	{"database_branch_keyspace", kindBranch, kindKeyspace, "created deleted updated requested_deletion"},
	{"database_branch_password", kindBranch, kindPassword, "created deleted password_leaked updated_ip_restrictions"},
	{"database_branch_read_only_region", kindBranch, kindRegion, "created deleted"},
	{"database_deploy_request", kindDeployRequest, kindDatabase, "created deleted closed"},
	{"database_webhook", kindDatabase, kindWebhook, "created deleted"},
	{"deploy_request_review", kindDeployRequest, kindReview, "approved"},
	{"deployment", kindDeployment, kindDeployRequest, "unqueued"},
	{"external_datasource", kindOrganization, kindDatasource, "created deleted"},
	{"integration", kindOrganization, kindIntegration, "created deleted"},
	{"organization", kindOrganization, kindNone, "created deleted joined left enabled_sso disabled_sso enabled_sso_directory disabled_sso_directory"},
	{"organization", kindOrganization, kindUser, "removed_member added_member"},
	{"organization_invitation", kindOrganization, kindInvitation, "created deleted"},
	{"organization_membership", kindMembership, kindUser, "created updated_role"},
	{"organization_team", kindOrganization, kindTeam, "created deleted"},
	{"organization_team", kindTeam, kindUser, "added_member left removed_member"},
	{"postgres_role", kindBranch, kindRole, "created deleted"},
	{"regional_failover_event", kindDatabase, kindFailover, "created deleted"},
	{"service_token", kindOrganization, kindServiceToken, "created deleted updated_bulk_database_access token_leaked"},
	{"user", kindUser, kindNone, "created deleted signed_in signed_out accepted_tos updated_name updated_email enabled_mfa disabled_mfa"},

	{"branch", kindOrganization, kindBranch, "created deleted open_web_console"},
	{"deploy_request", kindDeployRequest, kindDatabase, "approved closed created deleted queued unqueued"},
	{"organization", kindOrganization, kindUser, "updated_role"},
	{"service_token", kindServiceToken, kindDatabase, "granted_access"},
}

// Action is an action that events of the simulator have, with the types of their objects.
// A type is empty if the events have no such object.
type Action struct{ Name, Auditable, Target string }

// Actions returns all actions of the simulator's events, which are those of both
// vocabularies.
func Actions() []Action {
	var actions []Action
	for _, a := range vocabulary() {
		actions = append(actions, Action{strings.Trim(a.name, `"`), kindNames[a.auditable], kindNames[a.target]})
	}
	return actions
}

func vocabulary() []action {
	var actions []action
	for _, r := range resources {
		for _, verb := range strings.Fields(r.verbs) {
			actions = append(actions, action{
				name:      strconv.Quote(r.name + "." + verb),
				verb:      strconv.Quote(verb),
				auditable: r.auditable,
				target:    r.target,
			})
		}
	}
	return actions
}
