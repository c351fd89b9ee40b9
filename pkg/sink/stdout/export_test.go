package stdout

// AppendEscaped escapes a record for a terminal.
var AppendEscaped = appendEscaped
