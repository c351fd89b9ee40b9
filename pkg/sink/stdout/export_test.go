package stdout

// AppendEscaped is what a terminal is shown.
var AppendEscaped = appendEscaped
