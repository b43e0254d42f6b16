// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"math"
	"time"
)

// blob is bytes: {"b64": ...}, or a string.
type blob []byte

func (b *blob) UnmarshalJSON(raw []byte) error {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		*b = blob(text)
		return nil
	}
	var o struct {
		B64 []byte `json:"b64"`
	}
	if err := strict(raw, &o); err != nil {
		return err
	}
	*b = o.B64
	return nil
}

func (b blob) MarshalJSON() ([]byte, error) {
	if b == nil {
		b = blob{}
	}
	return json.Marshal(map[string][]byte{"b64": b})
}

// instant is a time in ms, null when it is not known.
func instant(t time.Time) interface{} {
	if t.IsZero() {
		return nil
	}
	return float64(t.UnixMilli()) + float64(t.Nanosecond()%1e6)/1e6
}

func fromInstant(ms *float64) time.Time {
	if ms == nil {
		return time.Time{}
	}
	whole, part := math.Modf(*ms)
	return time.UnixMilli(int64(whole)).Add(time.Duration(math.Round(part * 1e6)))
}

func duration(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }

// known is null for an empty text.
func known(text string) interface{} {
	if text == "" {
		return nil
	}
	return text
}
