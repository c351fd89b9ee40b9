//go:build integration

package console_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/sluice-siem/sluice/pkg/admin/console"
)

// patience is how long a test waits for a browser on a busy machine.
const patience = 10 * time.Minute

// site is a scene at an address, as the admin server serves it.
type site struct {
	*scene
	*httptest.Server
	streams atomic.Int64 // open ones
}

func serveScene(t *testing.T, s *scene) *site {
	t.Helper()
	handler := s.handler()
	at := &site{scene: s}
	at.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", console.Policy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if r.URL.Path == "/live" {
			at.streams.Add(1)
			defer at.streams.Add(-1)
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		at.CloseClientConnections()
		at.Close()
	})
	return at
}

// startBrowser starts a browser for a test.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, // the gate runs as root, and shows it only pages of these tests
		chromedp.Flag("force-color-profile", "srgb"),
		chromedp.Flag("font-render-hinting", "none"),
	)
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	return ctx
}

// tab is a page in a browser, with what it complained about.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu         sync.Mutex
	complaints []string
}

// watch runs in every page before its own script. It adds up how far things moved.
const watch = `
window.shifted = 0;
new PerformanceObserver((list) => {
	for (const e of list.getEntries()) if (!e.hadRecentInput) window.shifted += e.value;
}).observe({ type: "layout-shift", buffered: true });
window.violations = [];
document.addEventListener("securitypolicyviolation", (e) => window.violations.push(e.violatedDirective + " " + e.blockedURI));
`

// look describes how a person looks at a page.
type look struct {
	width, height int64
	dark, still   bool // still: without script
}

func openTab(t *testing.T, browser context.Context, l look, address string) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, patience)
	t.Cleanup(cancel)
	p := &tab{t: t, ctx: ctx}
	go p.listen(chromedp.Console(ctx))
	scheme := "light"
	if l.dark {
		scheme = "dark"
	}
	p.run(chromedp.EmulateViewport(l.width, l.height))
	call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	call(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: l.still})
	call(p, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: watch})
	p.run(chromedp.Navigate(address))
	return p
}

// call sends a command to the page.
func call[P, R any](p *tab, command cdp.Command[P, R], params P) R {
	p.t.Helper()
	result, err := chromedp.Run(p.ctx, func(ctx context.Context, t *chromedp.Target) (R, error) { return cdp.Call(ctx, t, command, params) })
	if err != nil {
		p.t.Fatal(err)
	}
	return result
}

func (p *tab) run(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

// listen collects what the browser complains about, until the tab is closed.
func (p *tab) listen(console iter.Seq2[chromedp.ConsoleMessage, error]) {
	for m, err := range console {
		if err != nil {
			return
		}
		switch m.Type {
		case chromedp.ConsoleError, chromedp.ConsoleWarning, chromedp.ConsoleException:
			p.mu.Lock()
			p.complaints = append(p.complaints, m.Text+" "+m.URL)
			p.mu.Unlock()
		}
	}
}

// eval returns the value of an expression of the page.
func eval[T any](p *tab, expression string) T {
	p.t.Helper()
	value, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%.200s: %v", expression, err)
	}
	return value
}

// until waits for an expression of the page to be true.
func (p *tab) until(expression string) {
	p.t.Helper()
	_, err := chromedp.Run(p.ctx, chromedp.Poll[bool](expression, chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(patience)))
	if err != nil {
		p.t.Fatalf("waiting for %s: %v", expression, err)
	}
}

// isLive is true while the page is kept up to date.
const isLive = `document.getElementById("live").classList.contains("on")`

// judge fails the test for everything that a page may not do.
func (p *tab) judge(axe string, width int64) {
	p.t.Helper()
	if shifted := eval[float64](p, "window.shifted"); shifted > .1 {
		p.t.Errorf("the layout shifted by %.3f, want at most 0.1", shifted)
	}
	if v := eval[[]string](p, "window.violations"); len(v) > 0 {
		p.t.Errorf("violations of the Content-Security-Policy: %v", v)
	}
	if got := eval[int64](p, "document.documentElement.scrollWidth"); got > width {
		p.t.Errorf("the page is %d pixels wide, want at most %d", got, width)
	}
	findings := eval[[]struct {
		ID, Impact, Help string
		Nodes            []struct{ HTML string }
	}](p, axe+`;axe.run({resultTypes: ["violations"]}).then((r) => r.violations)`)
	for _, f := range findings {
		if f.Impact == "serious" || f.Impact == "critical" {
			p.t.Errorf("axe-core: %s: %s: %s, at %d places, such as %.300s", f.Impact, f.ID, f.Help, len(f.Nodes), f.Nodes[0].HTML)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.complaints {
		p.t.Errorf("the browser complained: %s", c)
	}
}

func axeCore(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("../../../.ci/axe/axe", "print").Output()
	if err != nil {
		t.Fatalf("axe-core: %v", err)
	}
	return string(out)
}

// TestEveryStateAtEveryWidth looks at each state as people do. A short run looks at each
// state once, and at all widths over the states.
func TestEveryStateAtEveryWidth(t *testing.T) {
	axe := axeCore(t)
	browser := startBrowser(t)
	for i, s := range append(scenes(t), newScene(t, "3000-lanes", past{many(3000), 20 * time.Minute, false}), notPrivate(t), empty(t)) {
		at := serveScene(t, s)
		for j, l := range []look{{width: 360, height: 800}, {width: 1280, height: 900, dark: true}, {width: 2560, height: 1300}} {
			if testing.Short() && i%3 != j {
				continue
			}
			t.Run(fmt.Sprintf("%s/%d", s.name, l.width), func(t *testing.T) {
				p := openTab(t, browser, l, at.URL+"/")
				p.until(isLive)
				p.judge(axe, l.width)
			})
		}
	}
}

// TestOtherPages looks at the pages of a lane, of events and of one event.
func TestOtherPages(t *testing.T) {
	axe := axeCore(t)
	browser := startBrowser(t)
	s := newScene(t, "four-down", past{fourDown, 20 * time.Hour, true})
	at := serveScene(t, s)
	for i, path := range []string{"/lanes/acme/splunk", "/events", "/events?q=nothing+has+this", "/events/" + s.key, "/?q=kafka"} {
		for j, l := range []look{{width: 360, height: 800, dark: true}, {width: 1280, height: 900}} {
			if testing.Short() && i%2 != j {
				continue
			}
			t.Run(fmt.Sprintf("%s/%d", path, l.width), func(t *testing.T) {
				p := openTab(t, browser, l, at.URL+path)
				p.judge(axe, l.width)
			})
		}
	}
}

// TestWithoutScript requires that the page is whole without its script.
func TestWithoutScript(t *testing.T) {
	at := serveScene(t, newScene(t, "fine", past{fine, 20 * time.Hour, true}))
	p := openTab(t, startBrowser(t), look{width: 1280, height: 900, still: true}, at.URL+"/")
	text := eval[string](p, "document.querySelector('main').innerText")
	for _, want := range []string{"Every lane delivers.", "acme → kafka", "Events by hour", "Recent events"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "ago") && !strings.Contains(text, "24 h ago") {
		t.Error("a relative time does not stay true without a script")
	}
	if n := at.streams.Load(); n != 0 {
		t.Errorf("got %d streams, want none", n)
	}
}

// TestThePageFollows changes the state below an open page. What a person does with the
// page stays, and leaving it ends its stream.
func TestThePageFollows(t *testing.T) {
	s := newScene(t, "300-lanes", past{many(300), time.Hour, true})
	at := serveScene(t, s)
	p := openTab(t, startBrowser(t), look{width: 1280, height: 900}, at.URL+"/?q=acme-01")
	p.until(isLive)
	before := eval[string](p, "document.title")
	eval[bool](p, `
		const box = document.querySelector("input[type=search]");
		box.focus();
		box.value = "typed";
		window.box = box;
		window.scrollTo(0, 300);
		window.untouched = document.getElementById("heat");
		true`)
	all := many(290)
	s.lanes.Store(&all)
	p.until(fmt.Sprintf("document.title !== %s", quoted(before)))
	for what, expression := range map[string]string{
		"the focus":                 "document.activeElement === window.box",
		"the text in the box":       `window.box.value === "typed" && window.box.isConnected`,
		"the scroll":                "window.scrollY > 250",
		"what did not change":       `document.getElementById("heat") === window.untouched`,
		"that the page is live":     isLive,
		"the number in the heading": `document.querySelector("h1").textContent.includes("290")`,
	} {
		if !eval[bool](p, expression) {
			t.Errorf("an update did not keep %s", what)
		}
	}
	p.run(chromedp.Navigate("about:blank"))
	deadline := time.Now().Add(patience)
	for at.streams.Load() > 0 {
		if time.Now().After(deadline) {
			t.Fatal("the stream of a closed page goes on")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestTheConnectionIsLost requires that a page says when it is no longer up to date.
func TestTheConnectionIsLost(t *testing.T) {
	at := serveScene(t, newScene(t, "fine", past{fine, time.Hour, false}))
	p := openTab(t, startBrowser(t), look{width: 1280, height: 900}, at.URL+"/")
	p.until(isLive)
	at.Listener.Close()
	at.CloseClientConnections()
	p.until(`document.getElementById("live").textContent.includes("not live since")`)
}

// TestKeyboard walks through the page with the tab key.
func TestKeyboard(t *testing.T) {
	at := serveScene(t, newScene(t, "four-down", past{fourDown, 20 * time.Hour, true}))
	p := openTab(t, startBrowser(t), look{width: 1280, height: 900}, at.URL+"/")
	p.until(isLive)
	var walk []string
	for range 80 {
		p.run(chromedp.KeyEvent("\t"))
		at := eval[struct {
			Text, Outline string
			Seen, Body    bool
		}](p, `(() => {
			const e = document.activeElement, r = e.getBoundingClientRect(), s = getComputedStyle(e);
			return { text: (e.textContent || e.name).trim().slice(0, 40), outline: s.outlineStyle, body: e === document.body,
				seen: r.width > 0 && r.height > 0 && r.top >= -1 && r.bottom <= innerHeight + 1 };
		})()`)
		if at.Body {
			break
		}
		if at.Outline == "none" || !at.Seen {
			t.Errorf("the focus on %q cannot be seen: %+v", at.Text, at)
		}
		walk = append(walk, at.Text)
	}
	text := strings.Join(walk, "\n")
	for _, want := range []string{"Skip to the content", "Overview", "acme → splunk", "q", "Filter events", "metrics"} {
		if !strings.Contains(text, want) {
			t.Errorf("the keyboard does not reach %q; it reaches\n%s", want, text)
		}
	}
	if walk[0] != "Skip to the content" {
		t.Errorf("got %q first, want the link that skips", walk[0])
	}
}

// TestHostileTextRunsNoScript shows text that would run a script if it were not escaped.
func TestHostileTextRunsNoScript(t *testing.T) {
	axe := axeCore(t)
	s := hostileScene(t, hostile)
	at := serveScene(t, s)
	browser := startBrowser(t)
	for _, path := range []string{"/", "/lanes/acme/siem", "/events", "/events/" + s.key, "/?q=" + "%22%3E%3Cscript%3Ewindow.ran%3D1%3C%2Fscript%3E"} {
		t.Run(path, func(t *testing.T) {
			p := openTab(t, browser, look{width: 1280, height: 900}, at.URL+path)
			if !strings.HasPrefix(path, "/events/") {
				p.until(isLive)
			}
			if eval[bool](p, "window.ran !== undefined || document.querySelectorAll('main script, main img, main iframe').length > 0") {
				t.Error("hostile text became an element or ran")
			}
			p.judge(axe, 1280)
		})
	}
}

func quoted(text string) string {
	q, _ := json.Marshal(text) // a string has JSON
	return string(q)
}
