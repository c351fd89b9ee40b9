package admin

import (
	"log"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// errorLog returns a logger for packages that accept only a standard one.
func errorLog(to zerolog.Logger) *log.Logger { return log.New(&warner{to: to}, "", 0) }

type warner struct {
	to         zerolog.Logger
	handshakes cadence
}

// Write logs a line. Anybody can make handshakes fail, so not each of them is logged.
func (w *warner) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	if !strings.Contains(text, "TLS handshake error") || w.handshakes.due("") {
		w.to.Warn().Msg("admin: " + text)
	}
	return len(line), nil
}

// repeatAfter is how often the log repeats what any request can cause.
const repeatAfter = 5 * time.Minute

// cadence decides whether to log what any request can cause: the first time, when its
// class changes, and then every five minutes.
type cadence struct {
	mu    sync.Mutex
	class string
	at    time.Time
}

func (c *cadence) due(class string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if !c.at.IsZero() && class == c.class && now.Sub(c.at) < repeatAfter {
		return false
	}
	c.class, c.at = class, now
	return true
}
