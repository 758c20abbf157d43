// Package fpn knows the names of mmdetection's and mmsegmentation's feature pyramid ("Feature
// Pyramid Networks for Object Detection", arXiv 1612.03144), the neck between a backbone and the
// heads of segmenters and detectors.
//
// # Stability
//
// Within a major version, what is read stays readable with the same result. The names of the package
// are for the packages beside it and may change with a minor version.
package fpn

import (
	"errors"
	"fmt"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/model"
)

// Scope is the first part of the neck's keys.
const Scope = "neck"

// Is reports whether keys beside a backbone are those of such a neck.
func Is(k *model.Keys) bool {
	return k.Below("neck.lateral_convs.0") && k.Below("neck.fpn_convs.0")
}

// Build adds the neck on a backbone's feature maps: a 1×1 convolution of each, to which the one of the
// map above, as large as it, is added, and a 3×3 convolution. It returns the levels, named
// "fpn.0", "fpn.1", …, with what the maps above the backbone's last are: every second pixel of
// the one before, up to the number of levels given.
func Build(b *model.Builder, maps []model.FeatureMap, levels int) ([]model.FeatureMap, error) {
	k, c := b.KeysBeside(), b.Stated.Config
	if n := k.Count("neck.lateral_convs"); n != len(maps) {
		return nil, &model.KeyError{Key: b.Beside("neck.lateral_convs"), Want: fmt.Sprintf("one for each of %d feature maps", len(maps)), Hint: fmt.Sprintf("found %d; say which blocks the maps are of", n)}
	}
	if n := k.Count("neck.fpn_convs"); n != len(maps) {
		return nil, &model.KeyError{Key: b.Beside("neck.fpn_convs"), Want: fmt.Sprintf("one for each of %d levels", len(maps)), Hint: fmt.Sprintf("found %d: levels that convolutions add are not supported; take the feature maps of the backbone", n)}
	}
	if err := errors.Join(
		c.Want("model.neck.type", "FPN"), c.Want("model.neck.start_level", 0), c.Want("model.neck.end_level", -1),
		c.Want("model.neck.add_extra_convs", false), c.Want("model.neck.upsample_cfg.mode", "nearest"), c.Want("model.neck.upsample_cfg.scale_factor"),
	); err != nil {
		return nil, model.First(err)
	}
	laterals := make([]*graph.Value, len(maps))
	width := 0
	for i, m := range maps {
		var err error
		if laterals[i], width, err = b.ConvBeside(fmt.Sprintf("neck.lateral.%d", i), fmt.Sprintf("neck.lateral_convs.%d", i), m.Value, model.Conv{In: m.Channels, Out: width, Kernel: 1, Stride: model.Once}); err != nil {
			return nil, err
		}
	}
	for i := len(maps) - 1; i > 0; i-- {
		up := b.Graph.Add(fmt.Sprintf("neck.up.%d", i), graph.Resize{Mode: "nearest", Coordinates: "asymmetric", Nearest: "floor"}, laterals[i], laterals[i-1])
		laterals[i-1] = b.Graph.Add(fmt.Sprintf("neck.sum.%d", i-1), graph.Add{}, laterals[i-1], up)
	}
	var out []model.FeatureMap
	for i, x := range laterals {
		y, n, err := b.ConvBeside(fmt.Sprintf("fpn.%d", i), fmt.Sprintf("neck.fpn_convs.%d", i), x, model.Conv{In: width, Kernel: 3, Stride: model.Once})
		if err != nil {
			return nil, err
		}
		out = append(out, model.FeatureMap{Value: y, Channels: n})
	}
	for i := len(out); i < levels; i++ {
		last := out[i-1]
		y := b.Graph.Add(fmt.Sprintf("fpn.%d", i), graph.MaxPool{Kernel: [2]int{1, 1}, Strides: [2]int{2, 2}}, last.Value)
		out = append(out, model.FeatureMap{Value: y, Channels: last.Channels})
	}
	return out, nil
}
