package admin

import (
	"log"
	"strings"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/internal/cadence"
)

// errorLog returns a logger for packages that accept only a standard one.
func errorLog(to zerolog.Logger) *log.Logger { return log.New(&warner{to: to}, "", 0) }

type warner struct {
	to         zerolog.Logger
	handshakes cadence.Cadence
}

// Write logs a line. Anybody can make handshakes fail, so not each of them is logged.
func (w *warner) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	if !strings.Contains(text, "TLS handshake error") || w.handshakes.Due("") {
		w.to.Warn().Msg("admin: " + text)
	}
	return len(line), nil
}
