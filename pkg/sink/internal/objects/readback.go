package objects

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/sluice-siem/sluice/pkg/internal/objectlog"
	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// ReadBack reads the objects of the lanes, as sink.Readable says. It does not ask the log
// which objects count: an object that is there is one that the SIEM sees.
func ReadBack(ctx context.Context, store objectstore.Store, lanes []sink.Env, access sink.Access, each func(sink.Stored) error) error {
	if access != (sink.Access{}) {
		return sink.Hint(fmt.Errorf("%s: an address or a token for reading has no use", store), "leave them out: the objects are read with the sink's own credentials, or with those of a configuration whose sink may read")
	}
	// Stores differ in how they order folders, so each organization is listed by itself.
	const root = "organization="
	for after := ""; ; {
		first, _, err := store.List(ctx, root, after)
		if err != nil {
			return fmt.Errorf("listing objects of %s: %w", store, err)
		}
		if len(first) == 0 {
			return nil
		}
		folder, _, _ := strings.Cut(first[0].Key, "/")
		if err := readFolder(ctx, store, folder+"/", lanes, each); err != nil {
			return err
		}
		after = folder + "/~" // behind all keys of the folder
	}
}

func readFolder(ctx context.Context, store objectstore.Store, folder string, lanes []sink.Env, each func(sink.Stored) error) error {
	for after, more := "", true; more; {
		infos, further, err := store.List(ctx, folder, after)
		if err != nil {
			return fmt.Errorf("listing objects of %s: %w", store, err)
		}
		for _, info := range infos {
			after = info.Key
			lane := laneOf(info.Key, lanes)
			if lane == nil {
				continue
			}
			o, err := store.Read(ctx, info.Key)
			if errors.Is(err, objectstore.ErrNotFound) { // It was deleted meanwhile; its records will be missing.
				continue
			}
			if err != nil {
				return fmt.Errorf("reading objects of %s: %w", store, err)
			}
			if err := readObject(info.Key, o.Body, lane, each); err != nil {
				return err
			}
		}
		more = further && len(infos) > 0
	}
	return nil
}

// laneOf returns the lane that an object's name begins with; nil if it is another's.
func laneOf(key string, lanes []sink.Env) *sink.Env {
	for i := range lanes {
		if strings.HasPrefix(path.Base(key), objectlog.LaneName(lanes[i].Lane)+"-") {
			return &lanes[i]
		}
	}
	return nil
}

// readObject calls each for the lines of an object. What is damaged holds no records behind
// the damage.
func readObject(key string, body []byte, lane *sink.Env, each func(sink.Stored) error) error {
	var in io.Reader = bytes.NewReader(body)
	damaged := func(err error) error {
		lane.Log.Warn().Err(err).Str("object", key).Msg("the object is damaged; records behind the damage were not read")
		return nil
	}
	if strings.HasSuffix(key, ".gz") {
		packed, err := gzip.NewReader(in)
		if err != nil {
			return damaged(err)
		}
		in = packed
	}
	lines := bufio.NewReader(in)
	for n := int64(1); ; n++ {
		line, err := lines.ReadBytes('\n')
		if line = bytes.TrimSuffix(line, []byte("\n")); len(line) > 0 && (err == nil || errors.Is(err, io.EOF)) {
			if err := each(sink.Stored{Place: key, Line: n, Lane: lane.Lane, Record: sink.Record{Body: line}}); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return damaged(err)
		}
	}
}
