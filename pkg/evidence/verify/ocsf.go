package verify

import (
	"strconv"
	"time"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/internal/rawjson"
)

// ocsf returns what a record of the Open Cybersecurity Schema Framework states.
func (p *Parser) ocsf(o *object) (Claim, error) {
	c := Claim{
		Facts: evidence.Facts{
			Form: evidence.Whole, ID: o.text(ocsfID), Action: o.text(ocsfAction), Actor: o.text(ocsfActor), Address: o.text(ocsfAddress),
			Organization: o.text(ocsfOrganization),
		},
		Note: o.text(ocsfNote), Replayed: o.text(ocsfReplayed) == "true",
	}
	d := denial{&c}
	d.number(o, ocsfEpoch, ocsfSequence)
	switch {
	case o.values[ocsfDebug].there:
		c.Facts.Form = evidence.Undecoded
	case o.text(ocsfTruncated) == "true":
		c.Facts.Form = evidence.Shortened
	}
	d.milliseconds(o.text(ocsfTime))
	d.objects(o)
	d.hash(o.text(ocsfHash))
	if o.values[ocsfOriginal].there {
		d.original(o.text(ocsfOriginal), o.values[ocsfBase64])
	}
	d.twice(o)
	return c, nil
}

func (d denial) milliseconds(text string) {
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		d.says("%q is no time in milliseconds", text)
		return
	}
	d.Facts.Time = time.UnixMilli(ms)
}

func (d denial) twice(o *object) {
	if o.twice != "" {
		d.says("the key %s is there twice", o.twice)
	}
}

// objects finds the ids of the two objects: those of the resources, unless they are stated
// by themselves.
func (d denial) objects(o *object) {
	var ids []string
	var err error
	switch {
	case o.values[ocsfObjects].there:
		ids, err = idsOf(o.text(ocsfObjects))
	case o.values[ocsfResources].there:
		ids, err = idsOf(o.text(ocsfResources))
	case o.values[ocsfOtherResources].there:
		ids, err = idsOf(o.text(ocsfOtherResources))
	}
	if err != nil || len(ids) > 2 {
		d.says("its resources are not two")
		return
	}
	ids = append(ids, "", "")
	d.Facts.Object, d.Facts.Container = ids[0], ids[1]
}

// idsOf reads an array of texts, or of objects with a uid.
func idsOf(text string) (ids []string, err error) {
	s := rawjson.Scanner{In: []byte(text)}
	if s.Peek() != '[' {
		return nil, s.Unexpected("array")
	}
	err = s.Array(0, func() error {
		if s.Peek() == '"' {
			id, err := s.Quoted()
			ids = append(ids, id)
			return err
		}
		if s.Peek() != '{' {
			return s.Unexpected("resource")
		}
		id := ""
		err := s.Object(1, nil, func(key string) (err error) {
			if key == "uid" && s.Peek() == '"' {
				id, err = s.Quoted()
				return err
			}
			_, err = s.Value(2)
			return err
		})
		ids = append(ids, id)
		return err
	})
	return ids, err
}
