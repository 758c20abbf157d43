// Package semfpn knows the names of mmsegmentation's Semantic FPN ("Panoptic Feature Pyramid
// Networks", arXiv 1901.02446), of which a backbone is a part: a feature pyramid, and for each of its
// levels convolutions and doublings up to the first level's size, whose sum gives the classes.
//
// # Stability
//
// Within a major version, what is read stays readable with the same result. The names of the package
// are for package family and may change with a minor version.
package semfpn

import (
	"errors"
	"fmt"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/model/fpn"
	"github.com/repvit-go/repvit/preprocess"
)

// Whole is Semantic FPN for package model.
func Whole() model.Whole {
	return model.Whole{
		Name:      "Semantic FPN",
		Outputs:   model.Segments(),
		Scopes:    []string{fpn.Scope, "decode_head"},
		Detect:    func(k *model.Keys) bool { return fpn.Is(k) && k.Below("decode_head.scale_heads.0") },
		Build:     build,
		Fit:       preprocess.Segmentation(2048, 512), // ADE20K's
		Size:      [2]int{512, 512},
		Segmenter: true,
	}
}

// twice is PyTorch's bilinear interpolation to twice the size.
func twice(factor float64) graph.Resize {
	return graph.Resize{Mode: "linear", Coordinates: "half_pixel", Scales: [2]float64{factor, factor}}
}

// build adds neck and head. The outputs are "classes" N×1×H×W, int64, or "logits" N×C×H×W, or
// "coarse", those logits as they are computed, N×C×H/4×W/4.
func build(b *model.Builder, maps []model.FeatureMap) error {
	c := b.Stated.Config
	if err := errors.Join(
		c.Want("model.decode_head.type", "FPNHead"), c.Want("model.decode_head.align_corners", false),
		c.Want("model.decode_head.in_index", []int{0, 1, 2, 3}), c.Want("model.decode_head.feature_strides", []int{4, 8, 16, 32}),
		c.Want("model.decode_head.out_channels"), c.Want("model.decode_head.threshold"),
	); err != nil {
		return model.First(err)
	}
	if mode := c.Value("model.test_cfg.mode"); mode != nil && mode != "whole" {
		b.Warn("%s evaluates in mode %v, windows of an image one by one; the network takes an input as a whole", c.At, mode)
	}
	in := b.Graph.Inputs[0].Type.Shape
	for _, d := range in[2:] {
		if d.Known() && d.Size%stride != 0 {
			return fmt.Errorf("%w: found an input of %v, expected sides that are multiples of %d", model.ErrOptions, in, stride)
		}
	}
	levels, err := fpn.Build(b, maps, len(maps))
	if err != nil {
		return err
	}
	var sum *graph.Value
	channels := 0
	for i, level := range levels {
		x, n := level.Value, level.Channels
		for k := range max(i, 1) {
			name := fmt.Sprintf("head.%d.%d", i, k)
			x, n, err = b.ConvBeside(name, fmt.Sprintf("decode_head.scale_heads.%d.%d", i, 2*k), x, model.Conv{In: n, Kernel: 3, Stride: model.Once})
			if err != nil {
				return err
			}
			x = b.Graph.Add(name+".act", graph.Relu{}, x)
			if i > 0 {
				x = b.Graph.Add(name+".up", twice(2), x)
			}
		}
		if sum == nil {
			sum, channels = x, n
			continue
		}
		if n != channels {
			return fmt.Errorf("%w: the head's levels have %d and %d channels", model.ErrKey, channels, n)
		}
		sum = b.Graph.Add(fmt.Sprintf("head.sum.%d", i), graph.Add{}, sum, x)
	}
	y, classes, err := b.Conv("coarse", b.Beside("decode_head.conv_seg"), sum, model.Conv{In: channels, Kernel: 1, Stride: model.Once})
	if err != nil {
		return err
	}
	b.Info.Classes = classes
	b.ClassNames(classes)
	if b.Segment != model.SegmentCoarse {
		y = b.Graph.Add("logits", twice(4), y)
		if b.Segment != model.SegmentLogits {
			y = b.Graph.Add("classes", graph.ArgMax{Axis: -3, KeepDims: true}, y)
		}
	}
	b.Graph.Outputs = []*graph.Value{y}
	return nil
}

// stride is that of the last level: the levels' sizes fit each other where sides are multiples.
const stride = 32
