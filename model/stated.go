package model

import (
	"slices"

	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/pytorch"
)

// Stated is what a checkpoint says beside its tensors, in the arguments of the training
// script or the configuration's text. What it does not say is zero.
type Stated struct {
	Preprocess preprocess.Config
	BNEpsilon  float64
	OutIndices []int // of the backbone, counted like the official code's features
	Config     *Config
	Classes    []string   // names, of segmenters and detectors
	Palette    [][3]uint8 // colours of the classes, of segmenters

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
		text, ok := stringAt(f, at)
		if !ok {
			continue
		}
		c := parseConfig(at, text)
		if s.Config == nil {
			s.Config = c
		}
		if list := c.Numbers("model.backbone.out_indices"); s.OutIndices == nil && list != nil {
			for _, x := range list {
				s.OutIndices = append(s.OutIndices, int(x))
			}
			s.At["taps"] = at
		}
	}
	for _, at := range []string{"meta.CLASSES", "meta.dataset_meta.classes", "meta.dataset_meta.CLASSES"} {
		if v, ok := f.Value(at); ok && s.Classes == nil {
			if s.Classes = names(v); s.Classes != nil {
				s.At["classes"] = at
			}
		}
	}
	for _, at := range []string{"meta.PALETTE", "meta.dataset_meta.palette", "meta.dataset_meta.PALETTE"} {
		if v, ok := f.Value(at); ok && s.Palette == nil {
			s.Palette = palette(v)
		}
	}
	return s
}

func stringAt(f *pytorch.File, at string) (string, bool) {
	v, _ := f.Value(at)
	text, ok := v.(string)
	return text, ok
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

// names are a list of texts; nil for anything else.
func names(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, e := range list {
		name, ok := e.(string)
		if !ok {
			return nil
		}
		out = append(out, name)
	}
	return out
}

// palette is a list of colours, red, green and blue; nil for anything else.
func palette(v any) [][3]uint8 {
	list, _ := v.([]any)
	var out [][3]uint8
	for _, e := range list {
		c := numbers(e)
		if len(c) != 3 {
			return nil
		}
		var rgb [3]uint8
		for i, x := range c {
			if x < 0 || x > 255 {
				return nil
			}
			rgb[i] = uint8(x)
		}
		out = append(out, rgb)
	}
	return out
}

// statedRoots are where training scripts keep their arguments, and timm the configuration of a
// pickled network.
var statedRoots = []string{"args", "hyper_parameters", "pretrained_cfg", "default_cfg", "model.pretrained_cfg", "model.default_cfg"}
