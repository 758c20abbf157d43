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

// taps decides which blocks are outputs.
func (b *builder) taps(l *layout) (Taps, error) {
	if n := len(b.info.Stages); n != 4 && b.opts.Strides == nil && !b.whole() {
		return Taps{}, fmt.Errorf("%w: found %d stages, where every published RepViT has 4: the strides of such a backbone are not in the file; say what they are, one for each of its %d downsamplings", ErrStrides, n, n-1)
	}
	t := b.opts.Taps
	switch {
	case t.Blocks != nil:
		t.Rule = "given"
	case t.Rule != "":
	case b.opts.Stated.OutIndices != nil:
		t = Taps{b.opts.Stated.At["taps"], b.opts.Stated.OutIndices}
	case l.family == "timm" || b.detector():
		t.Rule = TapTimm
	default:
		t.Rule = TapEnds
	}
	if t.Blocks == nil {
		last := 0
		for i, s := range b.info.Stages {
			last += s.Blocks
			tap := last
			if t.Rule == TapTimm && i < len(b.info.Stages)-1 {
				tap--
			}
			t.Blocks = append(t.Blocks, tap)
		}
	}
	for i, n := range t.Blocks {
		if n < 0 || n > len(l.blocks) || i > 0 && n <= t.Blocks[i-1] {
			return Taps{}, fmt.Errorf("%w: found %v (%s), expected rising block numbers from 0 (the stem) to %d", ErrTaps, t.Blocks, t.Rule, len(l.blocks))
		}
	}
	t.Blocks = slices.Clone(t.Blocks)
	return t, nil
}

// detector reports whether the network is the backbone of the official detectors, which tap
// other blocks than segmenters.
func (b *builder) detector() bool {
	if b.samEncoder() {
		return false // EdgeSAM's region proposals are no part of its encoder
	}
	for _, k := range b.sd.sd.Keys() {
		for part := range strings.SplitSeq(k, ".") {
			if part == "rpn_head" || part == "roi_head" {
				return true
			}
		}
	}
	return false
}

// samEncoder reports whether the network is the image encoder of a promptable segmenter: its
// neck of two convolutions stands beside the blocks.
func (b *builder) samEncoder() bool {
	first, ok1 := b.sd.get("neck.0.weight")
	second, ok2 := b.sd.get("neck.2.weight")
	return ok1 && (!ok2 || len(second.Shape) == 4) && len(first.Shape) == 4 ||
		strings.HasSuffix(b.sd.prefix, "image_encoder.")
}

// maxStride bounds strides.
const maxStride = 8

// planStrides decides the strides of the stem's convolutions and of every downsampling.
func (b *builder) planStrides(l *layout) error {
	n := 0
	for _, k := range l.blocks {
		if k.strided() {
			n++
		}
	}
	l.strides = make([][2]int, n+2)
	for i := range l.strides {
		l.strides[i] = [2]int{2, 2}
	}
	given := b.opts.Strides
	switch {
	case given == nil:
		if _, fused := b.sd.get("fuse_stage2.weight"); n > 0 && !b.whole() && b.samEncoder() && !fused {
			l.strides[n+1] = once
			b.note("the last stage keeps stride 16, as in every SAM encoder on RepViT that does not fuse its stages")
		}
	case len(given) == n:
		copy(l.strides[2:], given)
	case len(given) == n+2:
		copy(l.strides, given)
	default:
		return fmt.Errorf("%w: found %d, expected %d, one for each downsampling, or %d with those of the stem's two convolutions", ErrStrides, len(given), n, n+2)
	}
	for _, s := range given {
		if s[0] < 1 || s[1] < 1 || s[0] > maxStride || s[1] > maxStride {
			return fmt.Errorf("%w: found %d×%d, expected 1 to %d", ErrStrides, s[0], s[1], maxStride)
		}
	}
	return nil
}

func (b *builder) note(format string, args ...any) {
	b.m.Notes = append(b.m.Notes, fmt.Sprintf(format, args...))
}
