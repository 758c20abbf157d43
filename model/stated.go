package model

import (
	"slices"
	"strconv"
	"strings"

	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/pytorch"
)

// Stated is what a checkpoint says beside its tensors, in the arguments of the training
// script or the configuration's text. What it does not say is zero.
type Stated struct {
	Preprocess preprocess.Config
	BNEpsilon  float64
	OutIndices []int // of the backbone, counted like the official code's features

	// At says for people where each of these was found: "args.input_size", by the field's name
	// in JSON.
	At map[string]string
}

// StatedBy reads what a checkpoint says beside its tensors. What it does not understand
// counts as not said.
func StatedBy(f *pytorch.File) Stated {
	s := Stated{At: map[string]string{}}
	p := &s.Preprocess
	for _, root := range statedRoots {
		read := func(field, name string, take func(v any) bool) {
			at := root + "." + name
			if v, ok := f.Value(at); ok && s.At[field] == "" && take(v) {
				s.At[field] = at
			}
		}
		for _, name := range []string{"input_size", "img_size"} {
			read("size", name, func(v any) bool {
				h, w, ok := size(v)
				if ok {
					p.Height, p.Width = h, w
				}
				return ok
			})
		}
		read("crop_pct", "crop_pct", func(v any) bool {
			x, ok := number(v)
			if ok = ok && x >= 1.0/16 && x <= 16; ok {
				p.CropPct = x
			}
			return ok
		})
		read("mean", "mean", func(v any) bool { p.Mean = numbers(v); return p.Mean != nil })
		read("std", "std", func(v any) bool { p.Std = numbers(v); return p.Std != nil })
		read("interpolation", "interpolation", func(v any) bool {
			text, ok := v.(string)
			if ok = ok && slices.Contains(preprocess.Interpolations(), text); ok {
				p.Interpolation = text
			}
			return ok
		})
		read("bn_epsilon", "bn_eps", func(v any) bool {
			x, ok := number(v)
			if ok = ok && x > 0 && x < 1; ok {
				s.BNEpsilon = x
			}
			return ok
		})
	}
	if len(p.Mean) != len(p.Std) || len(p.Mean) == 2 || len(p.Mean) > 4 {
		p.Mean, p.Std = nil, nil
		delete(s.At, "mean")
		delete(s.At, "std")
	}
	for _, at := range []string{"meta.config", "meta.cfg"} {
		if v, _ := f.Value(at); s.OutIndices == nil {
			if text, ok := v.(string); ok {
				if list, ok := outIndices(text); ok {
					s.OutIndices, s.At["taps"] = list, at
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

// statedRoots are where training scripts keep their arguments, and timm the configuration of a
// pickled network.
var statedRoots = []string{"args", "hyper_parameters", "pretrained_cfg", "default_cfg", "model.pretrained_cfg", "model.default_cfg"}
