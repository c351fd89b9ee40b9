package file

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// ReadBack implements sink.Readable: it reads the files of the lanes, those that the sink
// rotated, and those that logrotate renamed or compressed. Each line is a record.
func (s *Settings) ReadBack(ctx context.Context, lanes []sink.Env, access sink.Access, each func(sink.Stored) error) error {
	if access != (sink.Access{}) {
		return sink.Hint(fmt.Errorf("file %s: an address or a token for reading has no use", s.Path), "leave them out: the files are read from the disk")
	}
	read := map[string]bool{}
	for _, lane := range lanes {
		path := s.pathFor(lane.Source)
		if read[path] {
			continue
		}
		read[path] = true
		files, err := filesOf(path)
		if err != nil {
			return sink.Hint(err, "run this on the machine that has the files, as a user who may read them, or name copies of them in place of --sink")
		}
		for _, file := range files {
			if err := readFile(ctx, file, &lane, each); err != nil {
				return err
			}
		}
	}
	return nil
}

// renamed are the names of a file that was rotated: what stands for the first %s is the name
// without its extension, then the extension. The time is the sink's, the others are
// logrotate's.
const renamed = `^%s(-\d{8}T\d{6}\.\d{3}Z%s|%[2]s(\.\d+|-\d{8}(-\d+)?)|-\d{8}(-\d+)?%[2]s|%[2]s)(\.gz)?$`

// filesOf lists the file at a path and those that were rotated.
func filesOf(path string) (files []string, err error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil { // Rotated files may be there all the same.
		real = path
	}
	if info, err := os.Stat(real); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file, and what went through it cannot be read again", path)
	}
	extension := filepath.Ext(real)
	stem := strings.TrimSuffix(filepath.Base(real), extension)
	form, err := regexp.Compile(fmt.Sprintf(renamed, regexp.QuoteMeta(stem), regexp.QuoteMeta(extension)))
	if err != nil {
		return nil, err
	}
	there, err := os.ReadDir(filepath.Dir(real))
	if err != nil {
		return nil, err
	}
	for _, entry := range there {
		if entry.Type().IsRegular() && form.MatchString(entry.Name()) {
			files = append(files, filepath.Join(filepath.Dir(real), entry.Name()))
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("there is no file %s, and none that was rotated", path)
	}
	return files, nil
}

// readFile calls each for the lines of a file. A last line without an end counts, too: it
// may be one that a crash tore, or one that somebody cut. A compressed file that is damaged
// holds no records behind the damage.
func readFile(ctx context.Context, path string, lane *sink.Env, each func(sink.Stored) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var in io.Reader = f
	packed := strings.HasSuffix(path, ".gz")
	damaged := func(err error) error {
		if !packed {
			return fmt.Errorf("reading %s: %w", path, err)
		}
		lane.Log.Warn().Err(err).Str("file", path).Msg("the file is damaged; records behind the damage were not read")
		return nil
	}
	if packed {
		if in, err = gzip.NewReader(f); err != nil {
			return damaged(err)
		}
	}
	lines := bufio.NewReaderSize(in, longest)
	for n := int64(1); ; n++ {
		line, err := lines.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return damaged(err)
		}
		end := err != nil
		if n := len(line); n > 0 && line[n-1] == '\n' {
			line = line[:n-1]
		}
		if len(line) > 0 {
			if err := each(sink.Stored{Place: path, Line: n, Record: sink.Record{Body: line}}); err != nil {
				return err
			}
		}
		if end || ctx.Err() != nil {
			return ctx.Err()
		}
	}
}
