//go:build integration

package console_test

import (
	"bytes"
	"flag"
	"fmt"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/page"
)

var update = flag.Bool("update", false, "make the pictures anew")

// images is where the pictures are that README and docs show.
const images = "../../../docs/images"

// maxImage keeps a clone small and a page quick.
const maxImage = 150 << 10

// pictures are the states that README and docs show. The flag -update of go test makes
// them anew, and needs pngquant and the typeface Inter.
var pictures = []struct {
	file, scene string
	path        func(*scene) string
	look
}{
	{"console.png", "fine", home, look{width: 1280, height: 1790}},
	{"console-dark.png", "fine", home, look{width: 1280, height: 1790, dark: true}},
	{"console-catch-up.png", "catch-up", home, look{width: 1280, height: 860}},
	{"console-four-down.png", "four-down", home, look{width: 1280, height: 1100}},
	{"console-four-down-dark.png", "four-down", home, look{width: 1280, height: 1100, dark: true}},
	{"console-gap.png", "gap", home, look{width: 1280, height: 900}},
	{"console-300-lanes.png", "300-lanes", home, look{width: 1280, height: 1000}},
	{"console-360.png", "four-down", home, look{width: 360, height: 1100}},
	{"console-2560.png", "300-lanes", home, look{width: 2560, height: 1200}},
	{"console-lane.png", "four-down", func(*scene) string { return "/lanes/acme/splunk" }, look{width: 1280, height: 900}},
	{"console-events.png", "fine", func(*scene) string { return "/events" }, look{width: 1280, height: 800}},
	{"console-event.png", "fine", func(s *scene) string { return "/events/" + s.key }, look{width: 1280, height: 1300}},
}

func home(*scene) string { return "/" }

// TestScreenshots requires that the repository has each picture, small and of the right
// size. With -update it makes them.
func TestScreenshots(t *testing.T) {
	if *update {
		takePictures(t)
	}
	for _, p := range pictures {
		t.Run(p.file, func(t *testing.T) {
			path := filepath.Join(images, p.file)
			body, err := os.ReadFile(path)
			if err != nil {
				t.Fatalf("%v; make it with -update", err)
			}
			size, err := png.DecodeConfig(bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprint(p.width, "x", p.height); fmt.Sprint(size.Width, "x", size.Height) != want {
				t.Errorf("%s has %dx%d pixels, want %s; make it anew with -update", p.file, size.Width, size.Height, want)
			}
			if len(body) > maxImage {
				t.Errorf("%s has %d bytes, want at most %d", p.file, len(body), maxImage)
			}
		})
	}
}

func takePictures(t *testing.T) {
	browser := startBrowser(t)
	sites := map[string]*site{}
	for _, s := range scenes(t) {
		sites[s.name] = serveScene(t, s)
	}
	for _, p := range pictures {
		at := sites[p.scene]
		tab := openTab(t, browser, p.look, at.URL+p.path(at.scene))
		if p.path(at.scene) != "/events/"+at.key {
			tab.until(isLive)
		}
		shot := call(tab, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatPng})
		write(t, filepath.Join(images, p.file), shot.Data)
	}
}

// write stores a picture with few colours.
func write(t *testing.T, path string, picture []byte) {
	t.Helper()
	var small, stderr bytes.Buffer
	cmd := exec.Command("pngquant", "--speed", "1", "--quality", "60-95", "-")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(picture), &small, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("pngquant: %v: %s", err, stderr.String())
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, small.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
