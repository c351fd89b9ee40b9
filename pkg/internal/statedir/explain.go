package statedir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sluice-siem/sluice/pkg/setting"
)

// Explain returns what a person can do about an error of the file system at path. Locks and
// syncs are refused where the file system has none: without a lock two processes overwrite
// each other's files, and without a sync a loss of power undoes what was confirmed.
func Explain(err error, path string) setting.Advice {
	if hint := unsuitable(err, path); hint != "" {
		return setting.Advice{Hint: hint, Stays: true}
	}
	if hint := refused(err, path); hint != "" {
		return setting.Advice{Hint: hint, Stays: true}
	}
	return setting.Advice{Hint: exhausted(err, path)}
}

// unsuitable is about a file system that lacks an operation.
func unsuitable(err error, path string) string {
	switch {
	case lacks(err, "lock", unix.ENOLCK, unix.ENOTSUP, unix.ENOSYS, unix.EINVAL):
		return fmt.Sprintf("the file system of %s has no locks, which keep two processes from overwriting each other's files: use a local disk, or mount NFS with version 4, which needs no lockd", path)
	case lacks(err, "sync", unix.EINVAL, unix.ENOTSUP, unix.ENOSYS):
		return fmt.Sprintf("the file system of %s cannot sync, so a loss of power could undo what was stored: use a local disk with a file system such as ext4 or XFS", path)
	}
	return ""
}

// lacks reports whether an operation failed with one of these errors: fsync(2) and flock(2)
// say so on file systems without them.
func lacks(err error, op string, any ...unix.Errno) bool {
	failed, ok := errors.AsType[*fs.PathError](err)
	if !ok || failed.Op != op {
		return false
	}
	for _, errno := range any {
		if errors.Is(failed.Err, errno) {
			return true
		}
	}
	return false
}

// refused is about what only a person changes: owners, modes, mounts, links.
func refused(err error, path string) string {
	switch {
	case errors.Is(err, ErrLost):
		return fmt.Sprintf("make sure that no other sluice uses %s and that no clean-up removes files there, then restart this one", filepath.Dir(path))
	case errors.Is(err, unix.ELOOP):
		return fmt.Sprintf("remove the symbolic link in %s, and let only the user that runs sluice write there", path)
	case errors.Is(err, unix.EROFS):
		return fmt.Sprintf("%s is on a read-only file system: mount a writable volume there", path)
	case errors.Is(err, fs.ErrPermission):
		return denied(err, path)
	case errors.Is(err, unix.ENAMETOOLONG):
		return "shorten the path, or the names of source and sink"
	case errors.Is(err, unix.EISDIR), errors.Is(err, errNotFile):
		return fmt.Sprintf("move %s away: sluice keeps a file of that name", culprit(err, path))
	case errors.Is(err, errNotDirectory), errors.Is(err, unix.ENOTDIR):
		return fmt.Sprintf("name a directory in place of a file, or move the file on the path %s away", path)
	}
	return ""
}

// exhausted is about what may pass: space, and disks that fail.
func exhausted(err error, path string) string {
	switch {
	case errors.Is(err, unix.ENOSPC):
		return fmt.Sprintf("free some space on the file system of %s: bytes (df) or files (df -i)", path)
	case errors.Is(err, unix.EDQUOT):
		return fmt.Sprintf("the quota of uid %d is used up on the file system of %s: free some space, or raise the quota", os.Geteuid(), path)
	case errors.Is(err, unix.EIO):
		return fmt.Sprintf("the disk of %s failed: see the kernel's log (dmesg)", path)
	case errors.Is(err, unix.ESTALE):
		return fmt.Sprintf("the file server no longer knows %s: mount the file system again", path)
	}
	return ""
}

// denied names the user that runs sluice, and the owner of what it may not use.
func denied(err error, path string) string {
	uid := os.Geteuid()
	at, info := nearest(culprit(err, path))
	owner, ok := info.(*syscall.Stat_t)
	if !ok {
		return fmt.Sprintf("make uid %d, which runs sluice, the owner of %s", uid, path)
	}
	mode := fs.FileMode(owner.Mode).Perm()
	if int(owner.Uid) == uid {
		return fmt.Sprintf("uid %d, which runs sluice, owns %s with mode %#o: allow it there (chmod u+rwx); if the mode allows it, a mount option, an attribute (lsattr) or a security module (SELinux: option :Z of the volume) forbids it", uid, at, mode)
	}
	belongs := fmt.Sprintf("uid %d runs sluice, and %s belongs to uid %d, gid %d with mode %#o", uid, at, owner.Uid, owner.Gid, mode)
	if at == path {
		return fmt.Sprintf("%s: make uid %d its owner (chown %[2]d %s)", belongs, uid, at)
	}
	// It may be a directory such as /var/lib, which must keep its owner.
	return fmt.Sprintf("%s: create a directory for sluice, make uid %d its owner (chown %[2]d), and name it; or let uid %[2]d write to this one", belongs, uid)
}

// culprit returns the path of the file or directory whose owner and mode decide. For a name
// that is made, moved or removed, that is the directory.
func culprit(err error, path string) string {
	if link, ok := errors.AsType[*os.LinkError](err); ok {
		return filepath.Dir(link.New)
	}
	failed, ok := errors.AsType[*fs.PathError](err)
	switch {
	case !ok || failed.Path == "":
		return path
	case failed.Op == "mkdir" || failed.Op == "remove" || failed.Op == "unlinkat":
		return filepath.Dir(failed.Path)
	}
	return failed.Path
}

// nearest returns path, or the nearest directory above it that exists and that can be
// looked at.
func nearest(path string) (at string, stat any) {
	for {
		if info, err := os.Stat(path); err == nil {
			return path, info.Sys()
		}
		parent := filepath.Dir(path)
		if parent == path {
			return path, nil
		}
		path = parent
	}
}
