//go:build integration

package app_test

import (
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// The image has no zones. This test runs the static binary in a directory that holds
// nothing else, which needs root (chroot(2)).
func TestTZWithoutZonesOnDisk(t *testing.T) {
	message, _ := inZone(t, "Europe/Berlin", func(dir string) *exec.Cmd {
		build := exec.Command("go", "build", "-o", filepath.Join(dir, "sluice"), "../../cmd/sluice")
		build.Env = append(build.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("go build: %v\n%s", err, out)
		}
		return &exec.Cmd{
			Path: "/sluice", Args: []string{"sluice", "run", "-c", "/sluice.yaml", "--once"},
			Dir: "/", SysProcAttr: &syscall.SysProcAttr{Chroot: dir},
		}
	})
	wantStamp(t, message, "Europe/Berlin")
}
