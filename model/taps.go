package model

import (
	"fmt"
	"slices"
	"strings"
)

// Taps says which blocks' outputs a backbone gives. Blocks count like the official code's
// features: 0 is the stem.
type Taps struct {
	// Rule is [TapEnds], [TapTimm], "given" (block numbers that the caller gave) or the place
	// in the file that says so.
	Rule   string `json:"rule,omitempty"`
	Blocks []int  `json:"blocks,omitempty"`
}

// Rules for taps.
const (
	// TapEnds takes the last block of every stage, as segmenters do.
	TapEnds = "ends"
	// TapTimm takes the maps that timm's features_only gives, as the official detectors do:
	// the block before the last of every stage, whose last block timm counts to the next
	// stage's downsampling; and the last block of all.
	TapTimm = "timm"
)

// String returns rule and blocks, "timm: 2 6 20 24"; empty for none.
func (t Taps) String() string {
	if t.Rule == "" {
		return ""
	}
	return t.Rule + ": " + strings.Trim(fmt.Sprint(t.Blocks), "[]")
}

// taps decides which blocks are outputs; last is the number of the last one.
func (b *Builder) taps(last int) (Taps, error) {
	t := b.Taps
	switch {
	case t.Blocks != nil:
		t.Rule = "given"
	case t.Rule != "":
	case b.Stated.OutIndices != nil:
		t = Taps{b.Stated.At["taps"], b.Stated.OutIndices}
	case b.net.Naming == "timm" || b.net.Detector:
		t.Rule = TapTimm
	default:
		t.Rule = TapEnds
	}
	if t.Blocks == nil {
		end := 0
		for i, s := range b.Info.Stages {
			end += s.Blocks
			tap := end
			if t.Rule == TapTimm && b.net.TapBefore && i < len(b.Info.Stages)-1 {
				tap--
			}
			t.Blocks = append(t.Blocks, tap)
		}
	}
	for i, n := range t.Blocks {
		if n < 0 || n > last || i > 0 && n <= t.Blocks[i-1] {
			return Taps{}, fmt.Errorf("%w: found %v (%s), expected rising block numbers from 0 (the stem) to %d", ErrTaps, t.Blocks, t.Rule, last)
		}
	}
	t.Blocks = slices.Clone(t.Blocks)
	return t, nil
}

// MaxStride bounds strides.
const MaxStride = 8
