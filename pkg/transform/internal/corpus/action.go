package corpus

import (
	"fmt"
	"strings"
)

// ActionCases are an event for each documented action, named after it, with the
// types that it has in one of the arrangements that are documented.
func ActionCases() []Case {
	var cases []Case
	for _, action := range Actions() {
		resource, verb, _ := strings.Cut(action, ".")
		types, ok := arrangements[action]
		if !ok {
			types = arrangements[resource]
		}
		members := []string{"audit_action", fmt.Sprintf("%q", action), "action", fmt.Sprintf("%q", verb), "metadata", "null"}
		members = append(members, party("auditable", types[0])...)
		members = append(members, party("target", types[1])...)
		if strings.HasSuffix(verb, "updated_role") {
			members[5] = `{"from":"member","to":"admin"}`
		}
		cases = append(cases, with(action, members...))
	}
	return cases
}

// party is the members of an auditable or target of a type, null for none.
func party(part, kind string) []string {
	if kind == "" {
		return []string{part + "_id", "null", part + "_type", "null", part + "_display_name", "null"}
	}
	return []string{part + "_id", `"` + strings.ToLower(kind) + `1"`, part + "_type", `"` + kind + `"`, part + "_display_name", `"a ` + kind + `"`}
}

// arrangements are the types of auditable and target by resource or action.
var arrangements = map[string][2]string{
	"access_token":                     {"User", "AccessToken"},
	"backup_policy":                    {"BackupPolicy", "Database"},
	"branch":                           {"Organization", "DatabaseBranch"},
	"branch_maintenance_schedule":      {"DatabaseBranch", "BranchMaintenanceSchedule"},
	"branch_maintenance_window":        {"DatabaseBranch", "BranchMaintenanceWindow"},
	"database":                         {"Organization", "Database"},
	"database.updated_default_branch":  {"Database", "DatabaseBranch"},
	"database.added_member":            {"Database", "User"},
	"database.removed_member":          {"Database", "User"},
	"database_branch":                  {"Database", "DatabaseBranch"},
	"database_branch_keyspace":         {"DatabaseBranch", "DatabaseBranchKeyspace"},
	"database_branch_password":         {"DatabaseBranchPassword", "DatabaseBranch"},
	"database_branch_read_only_region": {"DatabaseBranch", "DatabaseBranchReadOnlyRegion"},
	"database_deploy_request":          {"DeployRequest", "Database"},
	"database_webhook":                 {"Database", "DatabaseWebhook"},
	"deploy_request":                   {"DeployRequest", "Database"},
	"deploy_request_review":            {"DeployRequest", "DeployRequestReview"},
	"deployment":                       {"Deployment", "DeployRequest"},
	"external_datasource":              {"Organization", "ExternalDatasource"},
	"integration":                      {"Organization", "Integration"},
	"organization":                     {"Organization", ""},
	"organization.added_member":        {"Organization", "User"},
	"organization.removed_member":      {"Organization", "User"},
	"organization.updated_role":        {"Organization", "User"},
	"organization_invitation":          {"Organization", "OrganizationInvitation"},
	"organization_membership":          {"OrganizationMembership", "User"},
	"organization_team":                {"Organization", "OrganizationTeam"},
	"organization_team.added_member":   {"OrganizationTeam", "User"},
	"organization_team.left":           {"OrganizationTeam", "User"},
	"organization_team.removed_member": {"OrganizationTeam", "User"},
	"postgres_role":                    {"DatabaseBranch", "PostgresRole"},
	"regional_failover_event":          {"Database", "RegionalFailoverEvent"},
	"service_token":                    {"Organization", "ServiceToken"},
	"service_token.granted_access":     {"ServiceToken", "Database"},
	"user":                             {"User", ""},
}
