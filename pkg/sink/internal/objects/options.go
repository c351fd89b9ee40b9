package objects

import (
	"fmt"
	"time"

	"github.com/sluice-siem/sluice/pkg/setting"
)

// Options are the keys that the sinks of all object stores have.
type Options struct {
	Delivery       string           `yaml:"delivery" values:"exactly_once|at_least_once" doc:"exactly_once commits records and position with one object, which is created only if its key is free. at_least_once is for a store that does not know that."`
	FlushInterval  setting.Duration `yaml:"flush_interval" doc:"How long events may wait for others, so that objects are few and large. At most 15m."`
	MaxObjectBytes setting.Size     `yaml:"max_object_bytes" least:"1048576" doc:"Most bytes of records in an object before compression, from 1MiB to 64MiB."`
	Compression    string           `yaml:"compression" values:"gzip|none" doc:"Compression of objects."`
}

// Defaults are the options that are not configured.
var Defaults = Options{
	Delivery:       ExactlyOnce,
	FlushInterval:  setting.Duration(time.Minute),
	MaxObjectBytes: 8 << 20,
	Compression:    "gzip",
}

// ExactlyOnce and AtLeastOnce are values of delivery.
const (
	ExactlyOnce = "exactly_once"
	AtLeastOnce = "at_least_once"
)

const (
	longestFlush   = 15 * time.Minute
	minObjectBytes = 1 << 20
	maxObjectBytes = 64 << 20
)

// Validate reports options that are unknown or out of range.
func (o *Options) Validate() []error {
	var errs []error
	check := func(ok bool, key, format string, args ...any) {
		if !ok {
			errs = append(errs, setting.Invalid(key, fmt.Errorf(format, args...)))
		}
	}
	check(o.Delivery == ExactlyOnce || o.Delivery == AtLeastOnce, "delivery", "%q is unknown; write exactly_once or at_least_once", o.Delivery)
	check(o.FlushInterval.Std() <= longestFlush, "flush_interval", "%s is too long; write at most %s", o.FlushInterval, setting.Duration(longestFlush))
	check(o.MaxObjectBytes >= minObjectBytes && o.MaxObjectBytes <= maxObjectBytes, "max_object_bytes",
		"%s is out of range; write a size from %s to %s", o.MaxObjectBytes, setting.Size(minObjectBytes), setting.Size(maxObjectBytes))
	check(o.Compression == "gzip" || o.Compression == "none", "compression", "%q is unknown; write gzip or none", o.Compression)
	return errs
}
