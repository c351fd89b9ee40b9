package admin

import (
	"log"
	"strings"

	"github.com/rs/zerolog"
)

// errorLog returns a logger for packages that accept only a standard one.
func errorLog(to zerolog.Logger) *log.Logger { return log.New(warner{to}, "", 0) }

type warner struct{ to zerolog.Logger }

func (w warner) Write(line []byte) (int, error) {
	w.to.Warn().Msg("admin: " + strings.TrimSpace(string(line)))
	return len(line), nil
}
