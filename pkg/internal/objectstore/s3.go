package objectstore

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"path"
)

// S3 is a bucket of Amazon S3, or of a store that speaks its language.
//
// It writes the six requests that a Store needs itself, and takes from AWS's SDK what is
// hard to do right: the signature, and where credentials come from. The SDK's own client of
// S3 has all 110 operations. It made the program larger by a third, against a seventh
// without it.
type S3 struct {
	bucket
	settings *Settings
	identity *identity
}

var _ Store = (*S3)(nil)

// OpenS3 returns the bucket. It does not connect to the store. Create depends on
// If-None-Match (Amazon S3 User Guide, "How to prevent object overwrites with conditional
// writes").
func OpenS3(settings *Settings) *S3 {
	s := &S3{settings: settings, identity: &identity{settings: settings}}
	s.bucket = bucket{prefix: settings.Prefix, vendor: "X-Amz-", condition: "If-None-Match", absent: "*", checked: s.checked}
	s.to, s.client = s, newClient(&settings.TLS)
	return s
}

func (s *S3) String() string { return "s3://" + path.Join(s.settings.Bucket, s.settings.Prefix) }

func (s *S3) forget() { s.identity.forget() }

// checked has the checksum for objects that are locked, which need one ("Object Lock
// considerations"). The signature has another.
func (s *S3) checked(o Object) http.Header {
	sum := sha256.Sum256(o.Body)
	header := http.Header{"X-Amz-Checksum-Sha256": {base64.StdEncoding.EncodeToString(sum[:])}}
	if s.settings.Encryption != "" {
		header.Set("X-Amz-Server-Side-Encryption", s.settings.Encryption)
	}
	if s.settings.KMSKeyID != "" {
		header.Set("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", s.settings.KMSKeyID)
	}
	return header
}
