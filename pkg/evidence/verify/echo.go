package verify

// A leaf binds a fact at one place of a record. A record of ECS states most facts at several
// places. Searches read any of them, so none may say another thing, even if the record has
// no original that they are compared with.

// ecsCopies are pairs of fields that say the same where both are there.
var ecsCopies = []struct {
	a, b   field
	name   string
	second string // name of b, within the vendor's own object where it is there
}{
	{ecsID, ownID, "event.id", "id"},
	{ecsUser, ownActor, "user.id", "actor.id"},
	{ecsUserName, ownActorName, "user.name", "actor.name"},
	{ecsUserFullName, ownActorName, "user.full_name", "actor.name"},
	{ecsAddress, ecsClient, "source.ip", "client.ip"},
	{ecsOrganization, ecsAccount, "organization.name", "cloud.account.id"},
}

// copies compares fields that are both there.
func (d denial) copies(o *object) {
	for _, c := range ecsCopies {
		if o.values[c.a].there && o.values[c.b].there && o.text(c.a) != o.text(c.b) {
			d.says("%s is %.100q, and %s is %.100q", c.name, o.text(c.a), c.second, o.text(c.b))
		}
	}
}
