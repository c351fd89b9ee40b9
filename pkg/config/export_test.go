package config

var (
	WithoutQuotations = withoutQuotations
	Explain           = explain
)
