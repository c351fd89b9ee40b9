package verify

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/internal/timestamp"
)

// raw returns what a raw event states, if it is of a log that the parser knows. named means
// that the destination knows it by an id of Sluice, so it is one even if it has no fields.
func (p *Parser) raw(body []byte, o *object, named bool) (Claim, error) {
	for _, at := range p.raws {
		if o.read(body, at) != nil {
			break
		}
		if o.values[rawBase64].there && !o.values[rawID].there {
			return p.encoded(o, at)
		}
		if o.values[rawID].there && o.values[rawTime].there && o.values[rawAction].there {
			return rawClaim(body, o), nil
		}
	}
	if named {
		return rawClaim(body, o), nil
	}
	return Claim{}, foreign("JSON of another form")
}

// encoded returns what a raw event states that is there in Base64.
func (p *Parser) encoded(o *object, at *tree) (Claim, error) {
	body, err := base64.StdEncoding.DecodeString(o.text(rawBase64))
	if err != nil {
		return Claim{}, foreign("an event in Base64 that cannot be read")
	}
	if o.read(body, at) != nil {
		clear(o.values[:])
	}
	return rawClaim(body, o), nil
}

// rawClaim returns the claim of a raw event. The event does not say whether it could be
// decoded, so it has several readings. Its hash is computed, so nothing in it can deny that.
func rawClaim(body []byte, o *object) Claim {
	sum := sha256.Sum256(body)
	whole := evidence.Facts{
		Form: evidence.Whole, ID: o.scalar(rawID), Action: o.scalar(rawAction), Actor: o.scalar(rawActor), Address: o.scalar(rawAddress),
		Object: o.scalar(rawFirst), Container: o.scalar(rawSecond), Hash: sum,
	}
	whole.Time, _ = timestamp.Parse(o.scalar(rawTime))
	undecoded, nameless := whole, whole
	undecoded.Form, nameless.Form = evidence.Undecoded, evidence.Undecoded
	nameless.ID = fmt.Sprintf("sha256:%x", sum)
	return Claim{Facts: whole, Others: []evidence.Facts{undecoded, nameless}, Note: o.scalar(rawNote)}
}
