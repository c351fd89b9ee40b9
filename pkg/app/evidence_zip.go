package app

import (
	"archive/zip"
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	_ "embed"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/evidence/verify"
)

//go:embed evidence_readme.txt
var bundleReadme string

var bundleText = template.Must(template.New("README.txt").Parse(bundleReadme))

// fill writes the files of the bundle.
func (b *bundle) fill(archive *zip.Writer) error {
	notes := b.inRange()
	report, err := json.MarshalIndent(b.report, "", "  ")
	if err != nil {
		return err
	}
	var page bytes.Buffer
	if err := b.report.HTML(&page); err != nil {
		return err
	}
	files := map[string][]byte{
		"report.html":       page.Bytes(),
		"report.json":       append(report, '\n'),
		"configuration.txt": []byte(strings.Join(b.cfg.Listing(), "\n") + "\n"),
		"own-log.ndjson":    append(bytes.Join(b.own, []byte("\n")), '\n'),
	}
	if files["statements.csv"], err = statements(notes); err != nil {
		return err
	}
	for _, key := range b.keys() {
		name, _, _ := strings.Cut(key, "+")
		public, err := pemOf(key)
		if err != nil {
			return err
		}
		at := "keys/" + name + "-" + strings.Split(key, "+")[1]
		files[at+".pub"], files[at+".pem"] = []byte(key+"\n"), public
	}
	for _, n := range notes {
		files[n.file()] = []byte(n.signed)
	}
	if files["README.txt"], err = b.readme(notes); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		w, err := archive.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: time.Now()})
		if err == nil {
			_, err = w.Write(files[name])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// file is where the bundle has a note: by lane and log, and among them by number. The hash
// keeps two notes of one number apart.
func (n bundled) file() string {
	log := n.Origin[strings.LastIndexByte(n.Origin, '/')+1:]
	return fmt.Sprintf("notes/%s/%s/%08d-%s-%s.note", pathable(n.Lane), pathable(log), n.Number, pathable(string(n.Kind)), evidence.HashOf(n.signed)[:8])
}

// pathable returns a name that is no path: whoever made an export may have written it.
func pathable(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return '+'
	}, name)
}

// pemOf returns a public key as OpenSSL reads it.
func pemOf(key string) ([]byte, error) {
	parts := strings.SplitN(key, "+", 3)
	raw, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	if err != nil || len(raw) != 1+ed25519.PublicKeySize {
		return nil, errors.New("a public key is no Ed25519 key")
	}
	der, err := x509.MarshalPKIXPublicKey(ed25519.PublicKey(raw[1:]))
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// statements returns what the statements among notes say, as a table. A quote before what
// could be a formula keeps a spreadsheet from computing it.
func statements(notes []bundled) ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	rows := [][]string{{"lane", "log", "note", "signed_by_a_known_key", "from", "through", "listed", "delivered", "filtered", "rejected", "late", "gaps", "notes", "audit"}}
	for _, n := range notes {
		d := n.Day
		if d == nil {
			continue
		}
		row := []string{plainCell(n.Lane), plainCell(n.Origin), fmt.Sprint(n.Number), fmt.Sprint(n.known), when(d.From), when(n.Through)}
		for _, v := range []uint64{d.Listed, d.Delivered, d.Filtered, d.Rejected, d.Late, d.Gaps, d.Notes} {
			row = append(row, fmt.Sprint(v))
		}
		rows = append(rows, append(row, plainCell(d.Audit)))
	}
	err := w.WriteAll(rows)
	return b.Bytes(), err
}

func plainCell(text string) string {
	if strings.HasPrefix(text, "=") || strings.HasPrefix(text, "+") || strings.HasPrefix(text, "-") || strings.HasPrefix(text, "@") {
		return "'" + text
	}
	return text
}

// headText says where a lane's log is.
func headText(lane string, h headLine) string {
	switch {
	case h.problem != nil:
		return fmt.Sprintf("%s: its position cannot be read: %s", lane, oneLine(h.problem.Error()))
	case h.state == nil:
		return lane + ": no log yet"
	}
	s := h.state
	root := s.Tree.Root()
	text := fmt.Sprintf("%s: log %s has %d records, root %s, %d of them not sealed yet, %d notes",
		lane, s.Origin, s.Tree.Size, base64.StdEncoding.EncodeToString(root[:]), s.Tree.Size-s.Covered.Size, s.Notes)
	if n := len(s.Pending); n > 0 {
		text += fmt.Sprintf(", of which the destination may not have the last %d", n)
	}
	return text
}

func (b *bundle) readme(notes []bundled) ([]byte, error) {
	lanes := map[string]bool{}
	unknown := 0
	for _, n := range notes {
		lanes[n.Lane] = true
		if !n.known {
			unknown++
		}
	}
	var heads, without []string
	for _, lane := range slices.Sorted(maps.Keys(b.heads)) {
		heads = append(heads, headText(lane, b.heads[lane]))
		if !lanes[lane] {
			without = append(without, lane)
		}
	}
	own := ""
	if b.ownErr != nil {
		own = oneLine(b.ownErr.Error())
	}
	var text bytes.Buffer
	err := bundleText.Execute(&text, map[string]any{
		"Made": when(time.Now()), "Version": buildVersion(), "From": when(b.from), "To": when(b.to),
		"Read": b.read, "Unread": b.unread, "Notes": len(notes), "Unknown": unknown, "Without": without, "Heads": heads, "OwnProblem": own,
		"Verdict": verdictWords(b.report), "Keys": b.keys(),
	})
	return text.Bytes(), err
}

// verdictWords says what a report comes to.
func verdictWords(r *verify.Report) string {
	switch r.Verdict {
	case verify.Clean:
		return "as they were delivered"
	case verify.Findings:
		return fmt.Sprintf("not as they were delivered: %s", several(len(r.Findings), "finding"))
	}
	return "not verifiable: " + oneLine(r.Reason)
}
