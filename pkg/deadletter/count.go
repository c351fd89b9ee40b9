package deadletter

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
)

// counter caches how many lines a file has up to an offset, since metrics ask often
// and the file may be large. It keeps the file open, so that a new file of the same
// name cannot get its inode.
type counter struct {
	file   *os.File
	offset int64
	lines  int
}

// Count returns how many letters lane has. It includes letters that are being redriven,
// until they are published.
func (s *Store) Count(lane string) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	total := 0
	for _, ext := range []string{extension, redriveExtension} {
		path := s.path(lane, ext)
		n, err := s.count(path)
		if err != nil {
			return 0, fail("count dead letters", path, err)
		}
		total += n
	}
	return total, nil
}

func (s *Store) count(path string) (int, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, s.forget(path)
	}
	if err != nil {
		return 0, err
	}
	c := s.counts[path]
	if c == nil || !c.covers(info) {
		if err := s.forget(path); err != nil {
			return 0, err
		}
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		c = &counter{file: f}
		s.counts[path] = c
	}
	err = c.advance()
	return c.lines, err
}

// covers reports whether c has counted the start of the file.
func (c *counter) covers(file os.FileInfo) bool {
	own, err := c.file.Stat()
	return err == nil && os.SameFile(own, file) && c.offset <= file.Size()
}

// advance counts new lines.
func (c *counter) advance() error {
	var block [64 << 10]byte
	for at := c.offset; ; {
		n, err := c.file.ReadAt(block[:], at)
		if last := bytes.LastIndexByte(block[:n], '\n'); last >= 0 {
			c.lines += bytes.Count(block[:n], []byte{'\n'})
			c.offset = at + int64(last) + 1
		}
		at += int64(n)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *Store) forget(path string) error {
	c := s.counts[path]
	if c == nil {
		return nil
	}
	delete(s.counts, path)
	return c.file.Close()
}
