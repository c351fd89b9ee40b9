package ocsf

import (
	"github.com/sluice-siem/sluice/pkg/source"
)

// continents are the names of the codes in databases of addresses.
var continents = map[string]string{
	"AF": "Africa", "AN": "Antarctica", "AS": "Asia", "EU": "Europe", "NA": "North America", "OC": "Oceania", "SA": "South America",
}

// location writes the location of the address. The schema does not allow a location that
// has only a continent.
func (w *writer) location(o *source.Origin) {
	if o.City == "" && o.Country == "" && o.Postal == "" && o.Region == "" {
		return
	}
	location := w.Open(`"location":{`)
	w.Text(`"city":`, o.City)
	w.Text(`"region":`, o.Region)
	w.Text(`"postal_code":`, o.Postal)
	w.Text(`"country":`, o.Country)
	w.Text(`"continent":`, continents[o.Continent])
	if o.Latitude != 0 || o.Longitude != 0 {
		w.Float(`"lat":`, o.Latitude)
		w.Float(`"long":`, o.Longitude)
	}
	w.Close(location)
}

func (w *writer) autonomousSystem(o *source.Origin) {
	system := w.Open(`"autonomous_system":{`)
	if o.System != 0 {
		w.Number(`"number":`, int64(o.System))
	}
	w.Text(`"name":`, o.SystemHolder)
	w.Close(system)
}
