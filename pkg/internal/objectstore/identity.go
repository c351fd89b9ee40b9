package objectstore

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// identity finds the credentials. Those of the settings are read for each request. Without
// them it asks where AWS's own tools look: the environment, the shared files, web identity
// (IRSA of EKS), the containers of ECS and EKS, and the instance's metadata (IMDSv2).
type identity struct {
	settings *Settings

	mu    sync.Mutex
	found *aws.Config // nil: nothing was found yet
}

// identityError means that there are no credentials, and nothing was sent.
type identityError struct {
	error
	hint string
}

func (e *identityError) Unwrap() error { return e.error }

func noIdentity(err error) error {
	return &identityError{err, "set access_key_id and secret_access_key, or let the environment, a shared file or a role provide credentials, and make sure that role_arn may be assumed"}
}

// errNoRegion means that the region is nowhere to be found.
var errNoRegion = errors.New("no region is set")

// config returns what clients are made of. An error is tried again with the next request.
func (i *identity) config(ctx context.Context) (aws.Config, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.found != nil {
		return *i.found, nil
	}
	c, err := config.LoadDefaultConfig(ctx, config.WithRegion(i.settings.Region), config.WithAppID("sluice"))
	if err != nil {
		return aws.Config{}, noIdentity(err)
	}
	if c.Region == "" && i.settings.Endpoint != "" {
		c.Region = "us-east-1"
	}
	if c.Region == "" {
		return aws.Config{}, errNoRegion
	}
	if i.settings.SecretAccessKey.IsSet() {
		c.Credentials = aws.CredentialsProviderFunc(i.configured)
	}
	if i.settings.RoleARN != "" {
		c.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(c), i.settings.RoleARN, i.assume))
	}
	i.found = &c
	return c, nil
}

// configured reads the key of the settings.
func (i *identity) configured(context.Context) (c aws.Credentials, err error) {
	c.Source = "the configuration"
	if c.AccessKeyID, err = i.settings.AccessKeyID.Token(); err != nil {
		return c, fmt.Errorf("access_key_id: %w", err)
	}
	if c.SecretAccessKey, err = i.settings.SecretAccessKey.Token(); err != nil {
		return c, fmt.Errorf("secret_access_key: %w", err)
	}
	if i.settings.SessionToken.IsSet() {
		if c.SessionToken, err = i.settings.SessionToken.Token(); err != nil {
			return c, fmt.Errorf("session_token: %w", err)
		}
	}
	return c, nil
}

func (i *identity) assume(o *stscreds.AssumeRoleOptions) {
	o.RoleSessionName = "sluice"
	if i.settings.ExternalID != "" {
		o.ExternalID = &i.settings.ExternalID
	}
}

// forget has the next request look for credentials again, after the store refused them: a
// shared file may have changed.
func (i *identity) forget() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.found = nil
}
