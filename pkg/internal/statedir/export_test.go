package statedir

// AccessWhere is Access with another faccessat2.
var AccessWhere = access

// ProbeWhere is Probe with another statfs.
var ProbeWhere = probe
