package statedir

// AccessWhere is Access with another faccessat2.
var AccessWhere = access
