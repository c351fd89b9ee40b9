// Command sluice follows the audit log of a PlanetScale organization and delivers every
// event to the SIEM. To add sources, sinks or formats of your own, write a main function
// like this one that passes options: see package app.
package main

import "github.com/sluice-siem/sluice/pkg/app"

func main() { app.Main() }
