package objectstoretest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// GCS serves a Store as Google Cloud Storage would with its XML API, and a token for the key
// of a service account, as Google's server of tokens would. It imitates what Google's
// documentation says: there is no real one to compare it with.
type GCS struct {
	Store *Store
	Token string // what requests must show; a token is this one
	key   *rsa.PrivateKey
}

// accountKey is that of the account of all servers: a key takes long to make.
var accountKey = sync.OnceValue(newKey)

func newKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err) // It cannot be, since Go 1.24.
	}
	return key
}

// NewGCS returns a server.
func NewGCS(store *Store) *GCS {
	return &GCS{Store: store, Token: "ya29.first-token-of-the-account", key: accountKey()}
}

// Account is the only service account that the server knows.
const Account = "sluice@acme.iam.gserviceaccount.com"

// Key is the JSON of its key, for a server at an address.
func (g *GCS) Key(address string) string { return keyFile(g.key, address) }

// FormerKey is the JSON of a key that the account has no more.
func (g *GCS) FormerKey(address string) string { return keyFile(newKey(), address) }

func keyFile(key *rsa.PrivateKey, address string) string {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err) // An RSA key can be.
	}
	text, _ := json.Marshal(map[string]string{ // Texts always can be.
		"type": "service_account", "client_email": Account, "private_key_id": "k1", "token_uri": address + "/token",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	return string(text)
}

func (g *GCS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if r.URL.Path == "/token" {
		g.grant(w, r, string(body))
		return
	}
	s := Server{Store: g.Store}
	if a := g.check(r, body); a.status != 0 {
		s.refuse(w, r, a)
		return
	}
	translated := r.Clone(r.Context())
	for name, values := range r.Header {
		if of, ok := strings.CutPrefix(name, "X-Goog-"); ok {
			translated.Header["X-Amz-"+of] = values
		}
	}
	if r.Header.Get("X-Goog-If-Generation-Match") != "" {
		translated.Header.Set("If-None-Match", "*")
	}
	if r.Method == http.MethodDelete && g.missing(r) {
		s.refuse(w, r, answer{http.StatusNotFound, "NoSuchKey", "The specified key does not exist."})
		return
	}
	s.serve(&google{w}, translated, body)
}

// missing reports whether there is nothing to delete.
func (g *GCS) missing(r *http.Request) bool {
	key := strings.TrimPrefix(r.URL.Path, "/"+BucketName+"/")
	g.Store.mu.Lock()
	defer g.Store.mu.Unlock()
	_, ok := g.Store.objects[key]
	return !ok
}

// check refuses what Google would, and what is of S3.
func (g *GCS) check(r *http.Request, body []byte) answer {
	if r.Header.Get("Authorization") != "Bearer "+g.Token {
		return answer{http.StatusUnauthorized, "AuthenticationRequired", "Authentication required."}
	}
	for name := range r.Header {
		if strings.HasPrefix(name, "X-Amz-") || name == "If-None-Match" {
			return answer{http.StatusBadRequest, "InvalidArgument", "A header of S3: " + name}
		}
	}
	if condition := r.Header.Get("X-Goog-If-Generation-Match"); condition != "" && condition != "0" {
		return answer{http.StatusBadRequest, "InvalidArgument", "The generation is not 0"}
	}
	sum := binary.BigEndian.AppendUint32(nil, crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
	if r.Method == http.MethodPut && r.Header.Get("X-Goog-Hash") != "crc32c="+base64.StdEncoding.EncodeToString(sum) {
		return answer{http.StatusBadRequest, "BadDigest", "The checksum you specified did not match what we received."}
	}
	return answer{}
}

// grant answers a request for a token, if the key of the account signed it (RFC 7523).
func (g *GCS) grant(w http.ResponseWriter, r *http.Request, body string) {
	if err := g.granted(r, body); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error":"invalid_grant","error_description":%q}`, err.Error())
		return
	}
	fmt.Fprintf(w, `{"access_token":%q,"expires_in":3599,"token_type":"Bearer"}`, g.Token)
}

func (g *GCS) granted(r *http.Request, body string) error {
	r.Body = io.NopCloser(strings.NewReader(body))
	if r.PostFormValue("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		return fmt.Errorf("the grant is unknown")
	}
	parts := strings.Split(r.PostFormValue("assertion"), ".")
	if len(parts) != 3 {
		return fmt.Errorf("the assertion is no JWT")
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if rsa.VerifyPKCS1v15(&g.key.PublicKey, crypto.SHA256, sum[:], signature) != nil {
		return fmt.Errorf("the signature is not valid")
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return err
	}
	var claims struct {
		Iss, Aud, Scope string
		Iat, Exp        int64
	}
	if err := json.Unmarshal(text, &claims); err != nil {
		return err
	}
	valid := claims.Exp > time.Now().Unix() && claims.Exp-claims.Iat <= 3600
	if claims.Iss != Account || !valid || claims.Scope == "" || claims.Aud != "http://"+r.Host+"/token" {
		return fmt.Errorf("the claims are not valid: %s", text)
	}
	return nil
}

// google writes headers with Google's names.
type google struct{ http.ResponseWriter }

func (g *google) rename() {
	header := g.Header()
	for name, values := range header {
		if of, ok := strings.CutPrefix(name, "X-Amz-"); ok {
			header["X-Goog-"+of] = values
			delete(header, name)
		}
	}
}

func (g *google) WriteHeader(status int) {
	g.rename()
	g.ResponseWriter.WriteHeader(status)
}

func (g *google) Write(body []byte) (int, error) {
	g.rename()
	return g.ResponseWriter.Write(body)
}
