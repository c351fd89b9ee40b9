package config

import (
	"cmp"
	"fmt"
	"reflect"

	"github.com/sluice-siem/sluice/pkg/setting"
)

// Credential is a secret of a configuration, or a certificate with which Sluice identifies
// itself.
type Credential struct {
	Kind, Name  string         // what it belongs to: source, sink, state or admin, and the name of a source or a sink
	Key         string         // below settings, such as "sasl.password" or "tls.cert_file"
	Secret      setting.Secret // not set: it is a certificate
	Certificate string         // path of a PEM file
}

// File is the path of the file with the credential; empty if it is in none.
func (c Credential) File() string { return cmp.Or(c.Certificate, c.Secret.File()) }

// Credentials returns the credentials of a configuration, in the order in which it has them.
func (c *Config) Credentials() (list []Credential) {
	add := func(kind, name string, settings any) {
		if settings == nil {
			return
		}
		for _, found := range credentialsIn("", reflect.ValueOf(settings)) {
			found.Kind, found.Name = kind, name
			list = append(list, found)
		}
	}
	for _, s := range c.Sources {
		add("source", s.Name, s.Settings)
	}
	add("state", "", c.State.Shared)
	for _, s := range c.Sinks {
		add("sink", s.Name, s.Settings)
	}
	add("admin", "", &adminEntry{Server: adminServer{TLS: c.Admin.TLS}, Token: c.Admin.Token})
	return list
}

func credentialsIn(path string, v reflect.Value) (list []Credential) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			list = credentialsIn(path, v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			list = append(list, credentialsIn(index(path, i), v.Index(i))...)
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			list = append(list, credentialsIn(join(path, fmt.Sprint(it.Key())), it.Value())...)
		}
	case reflect.Struct:
		list = credentialsOf(path, v)
	}
	return list
}

// credentialsOf returns the credentials of a struct. Secrets have no fields to look into.
func credentialsOf(path string, v reflect.Value) (list []Credential) {
	switch value := v.Interface().(type) {
	case setting.Secret:
		if value.IsSet() {
			list = append(list, Credential{Key: path, Secret: value})
		}
		return list
	case setting.TLS:
		return certificate(path, value.CertFile)
	case setting.ServerTLS:
		return certificate(path, value.CertFile)
	}
	for _, f := range fieldsOf(v) {
		at := join(path, f.key)
		if f.inline {
			at = path
		}
		list = append(list, credentialsIn(at, f.value)...)
	}
	return list
}

func certificate(path, file string) []Credential {
	if file == "" {
		return nil
	}
	return []Credential{{Key: join(path, "cert_file"), Certificate: file}}
}
