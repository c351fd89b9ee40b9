package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed asset
var assetFiles embed.FS

// assets are the files under /assets/, by their names there. A name holds the hash of the
// file, so that a browser may keep it for ever and never shows a page with the style of
// another version.
var assets, assetNames = loadAssets()

type asset struct {
	mediaType string
	body      []byte
}

var mediaTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

func loadAssets() (byName map[string]asset, names map[string]string) {
	byName, names = map[string]asset{}, map[string]string{}
	files, err := assetFiles.ReadDir("asset")
	if err != nil {
		panic(err) // the build is broken
	}
	for _, f := range files {
		body, err := assetFiles.ReadFile("asset/" + f.Name())
		if err != nil {
			panic(err)
		}
		ext := path.Ext(f.Name())
		name := strings.TrimSuffix(f.Name(), ext) + "." + hash(string(body)) + ext
		byName[name] = asset{mediaTypes[ext], body}
		names[f.Name()] = "/assets/" + name
	}
	return byName, names
}

func serveAsset(w http.ResponseWriter, r *http.Request) {
	a, ok := assets[r.PathValue("name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", a.mediaType)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.body))
}

// hash names a content.
func hash(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}
