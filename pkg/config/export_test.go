package config

var (
	WithoutQuotations = withoutQuotations
	Permit            = permit
	Explain           = explain
)
