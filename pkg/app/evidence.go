package app

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
	"github.com/sluice-siem/sluice/pkg/transform/text"
)

// logWriter returns what a lane needs to keep a log; nil if it has no evidence.
func logWriter(l config.Lane) (*evidence.Writer, error) {
	if l.Evidence == nil {
		return nil, nil
	}
	settings, err := hashOfSettings(l.Sink)
	if err != nil {
		return nil, fmt.Errorf("lane %s: hash of its settings: %w", l.Name, err)
	}
	return &evidence.Writer{
		Key: l.Evidence.Key, Former: l.Evidence.Former, Keys: l.Source.Type.Product.Keys,
		Organization: organization(l.Source), Settings: settings,
	}, nil
}

// hashOfSettings returns the SHA-256 of what decides which events a sink gets, and which of
// their values. Whoever knows the settings can compute it. It does not depend on a secret.
func hashOfSettings(s config.Sink) (string, error) {
	text, err := json.Marshal(struct {
		Where          string `json:"where"`
		Redact         any    `json:"redact"`
		Format         string `json:"format"`
		FormatSettings any    `json:"format_settings"`
		Original       bool   `json:"original"`
	}{s.Prepare.Where.String(), s.Prepare.Redact.Fields, s.Format.Name, s.FormatSettings, s.Original})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// meaning describes a saved position, with or without the state of a log beside it. All that
// describe one call it.
func meaning(src source.Source, pos source.Position) (source.Description, error) {
	own, _, err := evidence.Split(pos)
	if err != nil {
		return source.Description{}, err
	}
	return src.Describe(own)
}

// withLogOf returns a position that a person chose, with the state of the log that the former
// one has: its next note says who moved it. A state that cannot be used is none: then
// another log begins.
func withLogOf(former, chosen source.Position, moved string) (source.Position, error) {
	_, state, err := evidence.Split(former)
	if err != nil || state == nil {
		return chosen, nil
	}
	state.Moved = moved
	return state.Join(chosen)
}

// sayOfLog says in the own log that a lane's log begins, or that another key signs it. The id
// is derived from the note, which may be told again.
func (b *builder) sayOfLog(l config.Lane, n *evidence.Note) {
	var action ownlog.Action
	var says string
	switch {
	case b.say == nil || n.Kind != evidence.Open:
		return
	case n.Number == 0:
		action, says = ownlog.EvidenceBegan, fmt.Sprintf("The records of lane %s are numbered from 0 on. If that is unexpected, the lane lost its position.", l.Name)
	case n.Key != "":
		action, says = ownlog.EvidenceKeyChanged, fmt.Sprintf("Another key signs the seals of lane %s from now on.", l.Name)
	default:
		return
	}
	e := ownlog.New(action, ownlog.Party{Type: "lane", Name: l.Name}, says)
	e.ID = "own:" + evidence.HashOf(n.Text())[:32]
	e.Details = map[string]any{"log": n.Origin, "key": n.Key, "reason": n.Reason}
	b.say(e)
}

// aboutEvidence says which key signs how many lanes.
func aboutEvidence(cfg *config.Config) []finding {
	if cfg.Evidence == nil {
		return nil
	}
	signed := 0
	var without []string
	var vague []finding
	for _, l := range cfg.Lanes() {
		if l.Evidence == nil {
			without = append(without, l.Name)
			continue
		}
		signed++
		if l.Sink.Format.Name == text.Format.Name {
			vague = append(vague, finding{
				about: "evidence", mark: warning, text: "records of lane " + l.Name + " are in the format text, which states too little to be verified",
				hint: "choose another format, or write evidence: false at the sink",
			})
		}
	}
	says := fmt.Sprintf("key %s signs the logs of %s", shortKey(cfg.Evidence.Key), several(signed, "lane"))
	if len(without) > 0 {
		says += "; without evidence: " + strings.Join(without, ", ")
	}
	return append([]finding{found("evidence", says, nil)}, vague...)
}

// shortKey returns the name and the hash of a key, which its signatures have, too.
func shortKey(k *evidence.Key) string { return fmt.Sprintf("%s+%08x", k.Name(), k.KeyHash()) }
