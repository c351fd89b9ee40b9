package ocsf

import (
	"strconv"

	"github.com/sluice-siem/sluice/pkg/source"
)

// continents are the names of the codes that databases of addresses have.
var continents = map[string]string{
	"AF": "Africa", "AN": "Antarctica", "AS": "Asia", "EU": "Europe", "NA": "North America", "OC": "Oceania", "SA": "South America",
}

// location writes where the address is, which the schema allows only if it is
// known better than by its continent.
func (w *writer) location(o *source.Origin) {
	if o.City == "" && o.Country == "" && o.Postal == "" && o.Region == "" {
		return
	}
	location := w.open(`"location":{`)
	w.text(`"city":`, o.City)
	w.text(`"region":`, o.Region)
	w.text(`"postal_code":`, o.Postal)
	w.text(`"country":`, o.Country)
	w.text(`"continent":`, continents[o.Continent])
	if o.Latitude != 0 || o.Longitude != 0 {
		w.degrees(`"lat":`, o.Latitude)
		w.degrees(`"long":`, o.Longitude)
	}
	w.close(location)
}

func (w *writer) degrees(key string, d float64) {
	w.raw(key)
	w.buf = append(strconv.AppendFloat(w.buf, d, 'f', -1, 64), ',')
}

func (w *writer) autonomousSystem(o *source.Origin) {
	system := w.open(`"autonomous_system":{`)
	if o.System != 0 {
		w.number(`"number":`, int64(o.System))
	}
	w.text(`"name":`, o.SystemHolder)
	w.close(system)
}
