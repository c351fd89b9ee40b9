package objectstore

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/setting"
)

// blobVersion is the version of the API. Azurite knows it, too.
const blobVersion = "2023-11-03"

// sign implements dialect: with a key of the account, a SAS, or a token of Microsoft Entra.
func (a *Azure) sign(ctx context.Context, r request) (*http.Request, error) {
	signed, err := a.unsigned(ctx, r)
	if err != nil {
		return nil, err
	}
	switch {
	case a.settings.SASToken.IsSet():
		token, err := a.settings.SASToken.Token()
		if err != nil {
			return nil, &identityError{fmt.Errorf("sas_token: %w", err), "write the token into the file of sas_token_file"}
		}
		token = strings.TrimPrefix(token, "?")
		a.sent.Sent(token)
		if of, err := url.ParseQuery(token); err == nil {
			a.sent.Sent(of.Get("sig"))
		}
		signed.URL.RawQuery = strings.TrimPrefix(signed.URL.RawQuery+"&"+token, "&")
	case a.settings.AccountKey.IsSet():
		key, err := a.settings.AccountKey.Value()
		if err != nil {
			return nil, &identityError{fmt.Errorf("account_key: %w", err), "write the key into the file of account_key_file"}
		}
		secret, err := base64.StdEncoding.DecodeString(key)
		if err != nil {
			return nil, &identityError{fmt.Errorf("account_key is not in Base64"), "copy one of the two access keys of the account"}
		}
		a.sent.Sent(key)
		signed.Header.Set("Authorization", "SharedKey "+a.settings.Account+":"+signature(secret, a.settings.Account, signed))
	default:
		token, err := a.bearer.token(ctx)
		if err != nil {
			return nil, &identityError{err, "write account_key_file or sas_token_file, or run where Azure provides workload identity or a managed identity"}
		}
		signed.Header.Set("Authorization", "Bearer "+token)
	}
	a.sent.Request(signed)
	return signed, nil
}

func (a *Azure) unsigned(ctx context.Context, r request) (*http.Request, error) {
	at, err := url.Parse(a.settings.address())
	if err != nil {
		return nil, err
	}
	at.Path = "/"
	if a.settings.PathStyle {
		at.Path += a.settings.Account + "/"
	}
	at.Path += a.settings.Container
	if r.key != "" {
		at.Path += "/" + a.key(r.key)
	}
	at.RawPath, at.RawQuery = escape(at.Path), r.query.Encode()
	made, err := http.NewRequestWithContext(ctx, r.method, at.String(), bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	maps.Copy(made.Header, r.header)
	made.Header.Set("User-Agent", "sluice")
	made.Header.Set("X-Ms-Version", blobVersion)
	made.Header.Set("X-Ms-Date", time.Now().UTC().Format(http.TimeFormat))
	return made, nil
}

// signature signs a request (Azure Storage, "Authorize with Shared Key").
func signature(secret []byte, account string, r *http.Request) string {
	length := ""
	if r.ContentLength > 0 {
		length = strconv.FormatInt(r.ContentLength, 10)
	}
	var text strings.Builder
	text.WriteString(r.Method + "\n\n\n" + length + "\n")
	for _, name := range []string{"Content-MD5", "Content-Type", "Date", "If-Modified-Since", "If-Match", "If-None-Match", "If-Unmodified-Since", "Range"} {
		text.WriteString(r.Header.Get(name) + "\n")
	}
	names := map[string]string{} // by the name in lower case
	for name := range r.Header {
		names[strings.ToLower(name)] = name
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if strings.HasPrefix(name, "x-ms-") {
			text.WriteString(name + ":" + r.Header.Get(names[name]) + "\n")
		}
	}
	text.WriteString("/" + account + r.URL.EscapedPath())
	query := r.URL.Query()
	for _, name := range slices.Sorted(maps.Keys(query)) {
		text.WriteString("\n" + strings.ToLower(name) + ":" + query.Get(name))
	}
	sum := hmac.New(sha256.New, secret)
	sum.Write([]byte(text.String()))
	return base64.StdEncoding.EncodeToString(sum.Sum(nil))
}

// storageResource is what tokens of Microsoft Entra are for.
const storageResource = "https://storage.azure.com/"

// machineIdentity is the metadata server of a virtual machine.
const machineIdentity = "http://169.254.169.254/metadata/identity/oauth2/token"

// ask makes the request for a token of Microsoft Entra: by workload identity (AKS), which
// has the variables of Azure's own tools, or else by managed identity.
func (a *Azure) ask(ctx context.Context) (*http.Request, *http.Client, error) {
	file, tenant, client := os.Getenv("AZURE_FEDERATED_TOKEN_FILE"), os.Getenv("AZURE_TENANT_ID"), os.Getenv("AZURE_CLIENT_ID")
	if file == "" {
		query := url.Values{"api-version": {"2018-02-01"}, "resource": {storageResource}}
		if client != "" {
			query.Set("client_id", client)
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, cmp.Or(a.machine, machineIdentity)+"?"+query.Encode(), nil)
		if err != nil {
			return nil, nil, err
		}
		r.Header.Set("Metadata", "true")
		return r, newMetadataClient(), nil
	}
	assertion, err := setting.SecretFile(file).Token()
	if err != nil {
		return nil, nil, fmt.Errorf("AZURE_FEDERATED_TOKEN_FILE: %w", err)
	}
	a.sent.Sent(assertion)
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {client}, "scope": {storageResource + ".default"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion},
	}
	authority := strings.TrimSuffix(cmp.Or(os.Getenv("AZURE_AUTHORITY_HOST"), "https://login.microsoftonline.com"), "/")
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, authority+"/"+url.PathEscape(tenant)+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r, &a.client, nil
}
