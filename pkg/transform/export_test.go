package transform

var (
	TypesOf = typesOf
	Classes = classes
)
