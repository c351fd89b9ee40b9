package corpus

import (
	"sync"

	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// Product is the product whose log has these events.
var Product = planetscale.Type().Product

// Catalogue returns the catalogue of their actions.
var Catalogue = sync.OnceValue(func() *transform.Catalogue {
	c, err := transform.ParseCatalogue(planetscale.Type().Catalogue)
	must(err)
	return c
})

// Options returns o with the product and the catalogue of these events.
func Options(o transform.Options) transform.Options {
	o.Product = Product
	if o.Catalogue == nil {
		o.Catalogue = Catalogue()
	}
	return o
}
