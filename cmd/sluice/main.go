// Command sluice follows the audit log of a PlanetScale organization and
// delivers every event to the SIEM. A build with sinks or formats of one's own
// is this file with options; see package app.
package main

import "github.com/sluice-siem/sluice/pkg/app"

func main() { app.Main() }
