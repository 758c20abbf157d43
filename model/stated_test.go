package model_test

import (
	"slices"
	"testing"

	tt "github.com/repvit-go/repvit/internal/torchtest"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/pytorch"
)

// TestStatedBy reads sizes, preprocessing, epsilon and taps where training scripts leave them.
func TestStatedBy(t *testing.T) {
	namespace := func(pairs ...any) tt.Object {
		return tt.Object{Class: tt.Global("argparse Namespace"), State: tt.Dict(pairs)}
	}
	for name, c := range map[string]struct {
		root  any
		check func(s model.Stated) bool
	}{
		"official": {tt.Dict{"args", namespace("input_size", 384)}, func(s model.Stated) bool {
			return s.Preprocess.Height == 384 && s.Preprocess.Width == 384 && s.At["size"] == "args.input_size"
		}},
		"timm": {tt.Dict{"args", namespace("input_size", tt.Tuple{3, 96, 160}, "crop_pct", 0.9, "mean", tt.List{0.5, 0.5, 0.5}, "std", tt.List{0.25, 0.25, 0.25}, "interpolation", "bilinear", "bn_eps", 1e-3)},
			func(s model.Stated) bool {
				p := s.Preprocess
				return p.Height == 96 && p.Width == 160 && p.CropPct == 0.9 && slices.Equal(p.Mean, []float64{0.5, 0.5, 0.5}) && p.Interpolation == "bilinear" && s.BNEpsilon == 1e-3
			}},
		"nothing said": {tt.Dict{"args", namespace("input_size", nil, "crop_pct", nil, "mean", nil, "bn_eps", nil, "interpolation", "random")}, func(s model.Stated) bool { return len(s.At) == 0 }},
		"nonsense": {tt.Dict{"args", namespace("input_size", -5, "crop_pct", 1e9, "mean", tt.List{0.5}, "std", tt.List{0.5, 1.0}, "bn_eps", 7)}, func(s model.Stated) bool {
			return s.Preprocess.Height == 0 && s.Preprocess.Mean == nil && s.BNEpsilon == 0
		}},
		"Lightning":     {tt.Dict{"hyper_parameters", tt.Dict{"img_size", 112}}, func(s model.Stated) bool { return s.Preprocess.Height == 112 }},
		"a timm module": {tt.Dict{"default_cfg", tt.Dict{"crop_pct", 0.95, "input_size", tt.Tuple{3, 224, 224}}}, func(s model.Stated) bool { return s.Preprocess.CropPct == 0.95 && s.Preprocess.Width == 224 }},
		"taps, a list":  {tt.Dict{"meta", tt.Dict{"config", "backbone=dict(type='x', out_indices=[2, 6, 20, 24]), neck=dict(out_indices=[1])"}}, func(s model.Stated) bool { return slices.Equal(s.OutIndices, []int{2, 6, 20, 24}) }},
		"taps, JSON": {tt.Dict{"meta", tt.Dict{"cfg", "{\"backbone\": {\"out_indices\": [1,\n 2]}}"}}, func(s model.Stated) bool {
			return slices.Equal(s.OutIndices, []int{1, 2}) && s.At["taps"] == "meta.cfg"
		}},
		"taps, no number": {tt.Dict{"meta", tt.Dict{"config", "backbone=dict(out_indices=indices)"}}, func(s model.Stated) bool { return s.OutIndices == nil }},
		"no mapping":      {tt.List{1, 2}, func(s model.Stated) bool { return len(s.At) == 0 }},
	} {
		f, err := pytorch.Decode(name, tt.Checkpoint(c.root))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if s := model.StatedBy(f); !c.check(s) {
			t.Errorf("%s: %+v", name, s)
		}
	}
}
