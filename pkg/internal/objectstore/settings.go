package objectstore

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/sluice-siem/sluice/pkg/setting"
)

// Settings say where a bucket of S3, or of a store that speaks its language, is, and as
// whom it is used.
type Settings struct {
	Bucket    string `yaml:"bucket" required:"true" pattern:"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$" doc:"Bucket, which must exist."`
	Prefix    string `yaml:"prefix" default:"none" pattern:"^[a-zA-Z0-9!_.*'()=-]+(/[a-zA-Z0-9!_.*'()=-]+)*$" doc:"First part of all keys, without a slash at either end, such as audit/sluice."`
	Region    string `yaml:"region" default:"that of the environment or of the profile; us-east-1 with endpoint" pattern:"^[a-z0-9-]+$" doc:"Region of the bucket, such as eu-central-1."`
	Endpoint  string `yaml:"endpoint" default:"Amazon's endpoint of the region" pattern:"^[Hh][Tt][Tt][Pp][Ss]?://([^\\[\\]/?#@:, ]+|\\[[^\\[\\]/?#@, ]+\\])(:[0-9]{1,5})?/?$" doc:"Address of another store than Amazon's: scheme, host and port, such as https://minio:9000."`
	PathStyle bool   `yaml:"path_style" doc:"Put the bucket into the path of requests, not into the name of the host. Most stores other than Amazon's need it."`

	AccessKeyID     setting.Secret `yaml:"access_key_id" required:"with secret_access_key" default:"found as AWS's own tools do: environment, shared files, roles of EKS, ECS and EC2" pattern:"^[!-~]+$" doc:"Id of an access key. It is read again for each request, as are the next two."`
	SecretAccessKey setting.Secret `yaml:"secret_access_key" required:"with access_key_id" pattern:"^[!-~]+$" doc:"Secret of the access key."`
	SessionToken    setting.Secret `yaml:"session_token" pattern:"^[!-~]+$" doc:"Session token of temporary credentials."`
	RoleARN         string         `yaml:"role_arn" default:"no other role" pattern:"^arn:[a-z-]+:iam::[0-9]{12}:role/.+$" doc:"Role to assume with these credentials."`
	ExternalID      string         `yaml:"external_id" default:"none" doc:"External id that the role's trust policy asks for."`

	Encryption string `yaml:"sse" default:"that of the bucket" values:"AES256|aws:kms|aws:kms:dsse" doc:"Server-side encryption of objects."`
	KMSKeyID   string `yaml:"kms_key_id" default:"Amazon's key of the account" doc:"Key for aws:kms and aws:kms:dsse."`

	AllowHTTP bool        `yaml:"allow_http" doc:"Send requests in clear text to a host that is not loopback, with an endpoint that begins with http://."`
	TLS       setting.TLS `yaml:"tls" default:"the system's authorities" doc:"How TLS verifies the store."`
}

const exampleEndpoint = "https://minio.example.com:9000"

var (
	// Amazon S3 User Guide, "General purpose bucket naming rules".
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	regionName = regexp.MustCompile(`^[a-z0-9-]+$`)
	roleName   = regexp.MustCompile(`^arn:[a-z-]+:iam::[0-9]{12}:role/.+$`)
	// Amazon S3 User Guide, "Naming Amazon S3 objects": characters that are safe in keys.
	prefixName = regexp.MustCompile(`^[a-zA-Z0-9!_.*'()=-]+(/[a-zA-Z0-9!_.*'()=-]+)*$`)
)

func checkPrefix(prefix string) error {
	if prefixName.MatchString(prefix) && len(prefix) <= longestPrefix && path.Clean(prefix) == prefix && !strings.HasPrefix(prefix, "..") {
		return nil
	}
	return fmt.Errorf("%q is not a prefix; write at most %d of a-z, A-Z, 0-9 and !_.*'()=-, with single slashes between them and none at either end", prefix, longestPrefix)
}

// longestPrefix leaves room in a key, which has at most 1,024 bytes.
const longestPrefix = 256

// Validate reports every setting that is missing or invalid.
func (s *Settings) Validate() []error {
	var errs []error
	check := func(ok bool, key, format string, args ...any) {
		if !ok {
			errs = append(errs, setting.Invalid(key, fmt.Errorf(format, args...)))
		}
	}
	if s.Bucket == "" {
		check(false, "bucket", "missing; name the bucket, which must exist")
	} else {
		check(bucketName.MatchString(s.Bucket), "bucket", "%q is not the name of a bucket; write 3 to 63 of a-z, 0-9, '.' and '-', without s3:// and path", s.Bucket)
	}
	errs = append(errs, validatePlace(s.Prefix, s.Endpoint, exampleEndpoint, s.AllowHTTP)...)
	check(s.Region == "" || regionName.MatchString(s.Region), "region", "%q is not a region; write its code, such as eu-central-1", s.Region)
	return append(errs, s.validateCredentials()...)
}

func (s *Settings) validateCredentials() []error {
	var errs []error
	invalid := func(key string, err error) {
		if err != nil {
			errs = append(errs, setting.Invalid(key, err))
		}
	}
	switch {
	case s.AccessKeyID.IsSet() && !s.SecretAccessKey.IsSet():
		invalid("secret_access_key", errors.New("missing; write the secret of access_key_id, as secret_access_key or secret_access_key_file, or remove both"))
	case !s.AccessKeyID.IsSet() && s.SecretAccessKey.IsSet():
		invalid("access_key_id", errors.New("missing; write the id of the key that secret_access_key belongs to"))
	case !s.AccessKeyID.IsSet() && s.SessionToken.IsSet():
		invalid("session_token", errors.New("is given without a key; write access_key_id and secret_access_key, too"))
	}
	if s.AccessKeyID.IsSet() {
		invalid("access_key_id", s.AccessKeyID.CheckToken())
	}
	if s.SecretAccessKey.IsSet() {
		invalid("secret_access_key", s.SecretAccessKey.CheckToken())
	}
	if s.SessionToken.IsSet() {
		invalid("session_token", s.SessionToken.CheckToken())
	}
	if s.RoleARN != "" && !roleName.MatchString(s.RoleARN) {
		invalid("role_arn", fmt.Errorf("%q is not the ARN of a role; write one such as arn:aws:iam::123456789012:role/sluice", s.RoleARN))
	}
	if s.ExternalID != "" && s.RoleARN == "" {
		invalid("external_id", errors.New("is not used without role_arn; write the role, or remove it"))
	}
	switch s.Encryption {
	case "", "AES256":
		if s.KMSKeyID != "" {
			invalid("kms_key_id", errors.New("is not used; write sse: aws:kms, or remove it"))
		}
	case "aws:kms", "aws:kms:dsse":
	default:
		invalid("sse", fmt.Errorf("%q is unknown; write AES256, aws:kms or aws:kms:dsse", s.Encryption))
	}
	return errs
}

// Warnings says in which ways the settings weaken security. They are logged at every start.
func (s *Settings) Warnings() []string {
	w := warnings(s.Endpoint, &s.TLS)
	if s.SecretAccessKey.Short() {
		w = append(w, setting.ShortWarning("secret_access_key"))
	}
	return w
}

// Destination is where the objects go, for people.
func (s *Settings) Destination() string {
	return "s3://" + path.Join(s.Bucket, s.Prefix) + elsewhere(s.Endpoint)
}
