package s3

import (
	"fmt"
	"regexp"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/internal/objects"
)

// Type is the sink type s3.
var Type = sink.NewType("s3", Settings{Options: objects.Defaults}, open)

// Settings are the keys of an s3 sink.
type Settings struct {
	Store           objectstore.Settings `yaml:",inline"`
	objects.Options `yaml:",inline"`
	StorageClass    string      `yaml:"storage_class" default:"that of the bucket, mostly STANDARD" pattern:"^[A-Z_0-9]+$" doc:"Storage class of objects with records, such as STANDARD_IA. Objects must be readable at once: no GLACIER or DEEP_ARCHIVE."`
	ObjectLock      *ObjectLock `yaml:"object_lock" default:"that of the bucket" doc:"Keep objects with records from being deleted or replaced. The bucket must have Object Lock."`
}

// ObjectLock is the retention of an object.
type ObjectLock struct {
	Mode      string           `yaml:"mode" required:"true" values:"GOVERNANCE|COMPLIANCE" doc:"With COMPLIANCE nobody can delete an object before its time, not even the owner of the account."`
	Retention setting.Duration `yaml:"retention" required:"true" doc:"How long from delivery on, such as 8760h for a year."`
}

// unreadable are storage classes whose objects must be restored before they can be read
// (Amazon S3 User Guide, "Understanding and managing Amazon S3 storage classes").
var unreadable = map[string]bool{"GLACIER": true, "DEEP_ARCHIVE": true}

var className = regexp.MustCompile(`^[A-Z_0-9]+$`)

// Validate checks the sink's own keys. Those of the store, and those that all object stores
// have, have a Validate of their own.
func (s *Settings) Validate() []error {
	var errs []error
	check := func(ok bool, key, format string, args ...any) {
		if !ok {
			errs = append(errs, setting.Invalid(key, fmt.Errorf(format, args...)))
		}
	}
	check(s.StorageClass == "" || className.MatchString(s.StorageClass), "storage_class", "%q is not a class; write one such as STANDARD_IA", s.StorageClass)
	check(!unreadable[s.StorageClass], "storage_class", "%q cannot be read at once; write GLACIER_IR, or move objects later with a lifecycle rule", s.StorageClass)
	return errs
}

// Validate reports an unknown mode and a retention that is none.
func (l *ObjectLock) Validate() []error {
	if l == nil {
		return nil
	}
	var errs []error
	if l.Mode != "GOVERNANCE" && l.Mode != "COMPLIANCE" {
		errs = append(errs, setting.Invalid("mode", fmt.Errorf("%q is unknown; write GOVERNANCE or COMPLIANCE", l.Mode)))
	}
	if l.Retention.Std() < time.Hour {
		errs = append(errs, setting.Invalid("retention", fmt.Errorf("%s is too short; write 1h or more, such as 8760h for a year", l.Retention)))
	}
	return errs
}

// KeepsRejects implements sink.KeepsRejects.
func (s *Settings) KeepsRejects() string {
	if s.Delivery == objects.ExactlyOnce {
		return "bucket " + s.Store.Bucket
	}
	return ""
}

// Questions implements setting.Asker.
func (s *Settings) Questions() []setting.Question {
	return []setting.Question{
		{Key: "bucket", Text: "Bucket, which must exist"},
		{Key: "region", Text: "Its region, such as eu-central-1"},
	}
}

// Destination implements setting.Destination.
func (s *Settings) Destination() string { return s.Store.Destination() }
