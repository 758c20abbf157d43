package model

import (
	"strconv"
	"strings"

	"github.com/repvit-go/repvit/pytorch"
)

// Stated is what a checkpoint says beside its tensors, in the arguments of the training
// script or the configuration's text. A field is zero where the checkpoint does not say it;
// the field beside it says where it does.
type Stated struct {
	Height, Width int    // of the input, in pixels
	SizeAt        string // "args.input_size"
	CropPct       float64
	CropPctAt     string
	Mean, Std     []float64 // by channel
	MeanAt        string
	Interpolation string // "bicubic"
	BNEpsilon     float64
	BNEpsilonAt   string
	OutIndices    []int // of the backbone, counted like the official code's features
	OutIndicesAt  string
}

// StatedBy reads what a checkpoint says beside its tensors. What it does not understand
// counts as not said.
func StatedBy(f *pytorch.File) Stated {
	var s Stated
	for _, root := range []string{"args", "hyper_parameters"} {
		get := func(name string) (any, string) {
			at := root + "." + name
			v, _ := f.Value(at)
			return v, at
		}
		for _, name := range []string{"input_size", "img_size"} {
			v, at := get(name)
			h, w, ok := size(v)
			if ok && s.Height == 0 {
				s.Height, s.Width, s.SizeAt = h, w, at
			}
		}
		if v, at := get("crop_pct"); s.CropPct == 0 {
			if x, ok := number(v); ok && x > 1.0/16 && x <= 16 {
				s.CropPct, s.CropPctAt = x, at
			}
		}
		mean, at := get("mean")
		std, _ := get("std")
		if m, d := numbers(mean), numbers(std); s.Mean == nil && len(m) > 0 && len(m) == len(d) {
			s.Mean, s.Std, s.MeanAt = m, d, at
		}
		if v, _ := get("interpolation"); s.Interpolation == "" {
			if t, ok := v.(string); ok && (t == "bicubic" || t == "bilinear") {
				s.Interpolation = t
			}
		}
		if v, at := get("bn_eps"); s.BNEpsilon == 0 {
			if x, ok := number(v); ok && x > 0 && x < 1 {
				s.BNEpsilon, s.BNEpsilonAt = x, at
			}
		}
	}
	for _, at := range []string{"meta.config", "meta.cfg"} {
		if v, _ := f.Value(at); s.OutIndices == nil {
			if text, ok := v.(string); ok {
				if list, ok := outIndices(text); ok {
					s.OutIndices, s.OutIndicesAt = list, at
				}
			}
		}
	}
	return s
}

// size reads 224, [224, 320] (rows, columns) or [3, 224, 320].
func size(v any) (h, w int, ok bool) {
	if list, isList := v.([]any); isList && len(list) == 3 {
		v = list[1:]
	}
	p, ok := pair(v)
	const most = 1 << 14
	return p[0], p[1], ok && p[0] > 0 && p[1] > 0 && p[0] <= most && p[1] <= most
}

func numbers(v any) []float64 {
	list, _ := v.([]any)
	var out []float64
	for _, e := range list {
		x, ok := number(e)
		if !ok {
			return nil
		}
		out = append(out, x)
	}
	return out
}

// maxConfig bounds the text of a configuration that is searched, in bytes.
const maxConfig = 4 << 20

// outIndices finds the out_indices of the backbone in the text of an OpenMMLab
// configuration, which is Python or its repr: a list or tuple of numbers, on one line or many.
func outIndices(text string) ([]int, bool) {
	if len(text) > maxConfig {
		return nil, false
	}
	i := strings.Index(text, "backbone")
	if i < 0 {
		i = 0
	}
	_, rest, ok := strings.Cut(text[i:], "out_indices")
	if !ok {
		return nil, false
	}
	rest = strings.TrimLeft(rest, "'\" \t\r\n")
	if rest == "" || rest[0] != '=' && rest[0] != ':' {
		return nil, false
	}
	rest = strings.TrimLeft(rest[1:], " \t\r\n")
	if rest == "" || rest[0] != '[' && rest[0] != '(' {
		return nil, false
	}
	end := strings.IndexAny(rest, "])")
	if end < 0 {
		return nil, false
	}
	var list []int
	for part := range strings.SplitSeq(rest[1:end], ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		n, err := strconv.Atoi(part)
		if err != nil {
			return nil, false
		}
		list = append(list, n)
	}
	return list, len(list) > 0
}
