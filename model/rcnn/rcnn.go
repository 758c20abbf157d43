// Package rcnn knows the names of mmdetection's Faster and Mask R-CNN (arXiv 1506.01497 and
// 1703.06870), of which a backbone is a part: a feature pyramid, a region proposal network on each of
// its levels, and heads that give the regions classes, boxes and masks.
//
// # Stability
//
// Within a major version, what is read stays readable with the same result. The names of the package
// are for package family and may change with a minor version.
package rcnn

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/model/fpn"
	"github.com/repvit-go/repvit/preprocess"
)

// Whole is Faster or Mask R-CNN for package model.
func Whole() model.Whole {
	return model.Whole{
		Name:     "Mask R-CNN",
		Also:     "Faster R-CNN",
		Outputs:  []string{"dets", "labels", "masks"},
		Scopes:   []string{fpn.Scope, "rpn_head", "roi_head"},
		Detect:   func(k *model.Keys) bool { return fpn.Is(k) && k.Below("rpn_head.rpn_cls") },
		Build:    build,
		Fit:      preprocess.Detection(1333, 800), // COCO's
		Size:     [2]int{800, 1344},
		Detector: true,
	}
}

// The published networks, where the configuration says nothing.
var (
	strides = []int{4, 8, 16, 32, 64} // of the anchors' levels
	ratios  = []float64{0.5, 1, 2}
)

const (
	scale  = 8  // of anchors
	finest = 56 // size in pixels of a region of the first level
	levels = 4  // of which regions are cut out
	stride = 32 // of the last of them
)

// settings are what no tensor says.
type settings struct {
	rpn     graph.Proposals
	box     graph.Detections
	outputs int // of the neck
}

// read takes the settings from the options, the configuration, or the published networks.
func read(b *model.Builder, height, width int) (s settings, err error) {
	c := b.Stated.Config
	if err := errors.Join(
		c.Want("model.rpn_head.type", "RPNHead"), c.Want("model.rpn_head.anchor_generator.type", "AnchorGenerator"),
		c.Want("model.rpn_head.anchor_generator.octave_base_scale"), c.Want("model.rpn_head.anchor_generator.base_sizes"),
		c.Want("model.rpn_head.anchor_generator.center_offset", 0), c.Want("model.rpn_head.bbox_coder.type", "DeltaXYWHBBoxCoder"),
		c.Want("model.rpn_head.bbox_coder.target_means", []int{0, 0, 0, 0}), c.Want("model.rpn_head.bbox_coder.add_ctr_clamp", false),
		c.Want("model.roi_head.type", "StandardRoIHead"), c.Want("model.roi_head.bbox_head.bbox_coder.type", "DeltaXYWHBBoxCoder"),
		c.Want("model.roi_head.bbox_head.bbox_coder.target_means", []int{0, 0, 0, 0}), c.Want("model.roi_head.bbox_head.bbox_coder.add_ctr_clamp", false),
		c.Want("model.test_cfg.rpn.min_bbox_size", 0), c.Want("model.test_cfg.rpn.nms.type", "nms"), c.Want("model.test_cfg.rcnn.nms.type", "nms"),
		c.Want("model.test_cfg.rpn.nms_across_levels", false),
	); err != nil {
		return s, model.First(err)
	}
	for _, head := range []string{"bbox", "mask"} {
		at := "model.roi_head." + head + "_roi_extractor"
		if err := errors.Join(
			c.Want(at+".type", "SingleRoIExtractor"), c.Want(at+".finest_scale", finest), c.Want(at+".featmap_strides", strides[:levels]),
			c.Want(at+".roi_layer.type", "RoIAlign"), c.Want(at+".roi_layer.sampling_ratio", 0), c.Want(at+".roi_layer.aligned", true),
		); err != nil {
			return s, model.First(err)
		}
	}
	one := func(official float64, given *float64, paths ...string) float64 {
		if given != nil {
			return *given
		}
		for _, p := range paths {
			if v := c.Numbers(p); len(v) == 1 {
				return v[0]
			}
		}
		return official
	}
	std := func(official [4]float64, path string) [4]float64 {
		if v := c.Numbers(path); len(v) == 4 {
			return [4]float64(v)
		}
		return official
	}
	s.rpn = graph.Proposals{
		Deltas:  graph.Deltas{Std: std([4]float64{1, 1, 1, 1}, "model.rpn_head.bbox_coder.target_stds"), Height: height, Width: width},
		Strides: slices.Clone(strides), Ratios: slices.Clone(ratios),
		Scale:  one(scale, nil, "model.rpn_head.anchor_generator.scales"),
		Before: int(one(1000, nil, "model.test_cfg.rpn.nms_pre")),
		Most:   int(one(1000, nil, "model.test_cfg.rpn.max_per_img", "model.test_cfg.rpn.max_num", "model.test_cfg.rpn.nms_post")),
		IoU:    one(0.7, nil, "model.test_cfg.rpn.nms.iou_threshold", "model.test_cfg.rpn.nms_thr"),
	}
	if v := c.Numbers("model.rpn_head.anchor_generator.scales"); len(v) > 1 {
		return s, fmt.Errorf("%w: %s gives anchors the scales %v, expected one", model.ErrConfig, c.At, v)
	}
	if v := c.Numbers("model.rpn_head.anchor_generator.ratios"); v != nil {
		s.rpn.Ratios = v
	}
	if v := c.Numbers("model.rpn_head.anchor_generator.strides"); v != nil {
		s.rpn.Strides = nil
		for _, x := range v {
			s.rpn.Strides = append(s.rpn.Strides, int(x))
		}
	}
	s.outputs = int(one(float64(len(s.rpn.Strides)), nil, "model.neck.num_outs"))
	if s.outputs != len(s.rpn.Strides) || s.outputs < levels {
		return s, fmt.Errorf("%w: %s gives the neck %d levels and the anchors the strides %v", model.ErrConfig, c.At, s.outputs, s.rpn.Strides)
	}
	s.box = graph.Detections{
		Deltas: graph.Deltas{Std: std([4]float64{0.1, 0.1, 0.2, 0.2}, "model.roi_head.bbox_head.bbox_coder.target_stds"), Height: height, Width: width},
		Score:  one(0.05, b.Detector.Score, "model.test_cfg.rcnn.score_thr"),
		IoU:    one(0.5, b.Detector.IoU, "model.test_cfg.rcnn.nms.iou_threshold", "model.test_cfg.rcnn.nms.iou_thr"),
		Most:   cmp.Or(b.Detector.Most, int(one(100, nil, "model.test_cfg.rcnn.max_per_img"))),
	}
	return s, nil
}

// build adds neck and heads. The outputs are "dets" 1×K×5, "labels" 1×K int64 and, of a network with
// a mask head, "masks" 1×K×28×28; or, where the maps are asked for, "fpn0", "rpn_cls0" (logits of the
// scores) and "rpn_reg0" (deltas) of the first level, and so on: see [graph.Proposals].
func build(b *model.Builder, maps []model.FeatureMap) error {
	in := b.Graph.Inputs[0].Type
	height, width := in.Shape[2], in.Shape[3]
	if !b.Detector.Raw {
		switch {
		case b.Batch > 1:
			return fmt.Errorf("%w: found a batch of %d, expected 1: a detector takes one image at a time", model.ErrOptions, b.Batch)
		case !height.Known() || !width.Known() || height.Size%stride != 0 || width.Size%stride != 0:
			return fmt.Errorf("%w: found an input of %v, expected a known size whose sides are multiples of %d", model.ErrOptions, in.Shape, stride)
		}
		in.Shape[0] = graph.Fixed(1)
	}
	if len(maps) != levels {
		return fmt.Errorf("%w: found %d, expected %d of a detector", model.ErrTaps, len(maps), levels)
	}
	s, err := read(b, height.Size, width.Size)
	if err != nil {
		return err
	}
	pyramid, err := fpn.Build(b, maps, s.outputs)
	if err != nil {
		return err
	}
	logits, deltas, err := rpn(b, pyramid, len(s.rpn.Ratios))
	if err != nil {
		return err
	}
	if b.Detector.Raw {
		return raw(b, pyramid, logits, deltas)
	}
	var scores []*graph.Value
	for i, x := range logits {
		scores = append(scores, b.Graph.Add(fmt.Sprintf("rpn.%d.score", i), graph.Sigmoid{}, x))
	}
	found := b.Graph.AddSeveral([]string{"proposals", "proposals.scores"}, s.rpn, append(scores, deltas...)...)
	regions, valid := found[0], found[1]
	var cut []*graph.Value
	for _, p := range pyramid[:levels] {
		cut = append(cut, p.Value)
	}
	channels := pyramid[0].Channels
	probabilities, boxes, err := boxHead(b, append(cut, regions), channels)
	if err != nil {
		return err
	}
	found = b.Graph.AddSeveral([]string{"dets", "labels"}, s.box, regions, valid, probabilities, boxes)
	b.Graph.Outputs = found
	b.ClassNames(b.Info.Classes)
	if !b.KeysBeside().Below("roi_head.mask_head") {
		b.Info.Whole = Whole().Also
		return nil
	}
	masks, err := maskHead(b, cut, found[0], found[1], s.box.Most, channels)
	if err == nil && !b.Detector.NoMasks {
		b.Graph.Outputs = append(found, masks)
	}
	return err
}

// rpn adds the region proposal network, whose weights are the same on all levels.
func rpn(b *model.Builder, pyramid []model.FeatureMap, anchors int) (logits, deltas []*graph.Value, err error) {
	for i, p := range pyramid {
		x, c := p.Value, p.Channels
		convs := []string{"rpn_head.rpn_conv"}
		if n := b.KeysBeside().Count("rpn_head.rpn_conv"); n > 0 {
			convs = nil
			for k := range n {
				convs = append(convs, fmt.Sprintf("rpn_head.rpn_conv.%d.conv", k))
			}
		}
		for k, key := range convs {
			name := fmt.Sprintf("rpn.%d.conv.%d", i, k)
			if x, c, err = b.Conv(name, b.Beside(key), x, model.Conv{In: c, Kernel: 3, Stride: model.Once}); err != nil {
				return nil, nil, err
			}
			x = b.Graph.Add(name+".act", graph.Relu{}, x)
		}
		s, _, err := b.Conv(fmt.Sprintf("rpn.%d.cls", i), b.Beside("rpn_head.rpn_cls"), x, model.Conv{In: c, Out: anchors, Kernel: 1, Stride: model.Once})
		if err != nil {
			return nil, nil, err
		}
		d, _, err := b.Conv(fmt.Sprintf("rpn.%d.reg", i), b.Beside("rpn_head.rpn_reg"), x, model.Conv{In: c, Out: 4 * anchors, Kernel: 1, Stride: model.Once})
		if err != nil {
			return nil, nil, err
		}
		logits, deltas = append(logits, s), append(deltas, d)
	}
	return logits, deltas, nil
}

// raw makes the maps the outputs.
func raw(b *model.Builder, pyramid []model.FeatureMap, logits, deltas []*graph.Value) error {
	for i, p := range pyramid {
		p.Value.Name = fmt.Sprintf("fpn%d", i)
		b.Graph.Outputs = append(b.Graph.Outputs, p.Value)
	}
	for i, s := range logits {
		s.Name = fmt.Sprintf("rpn_cls%d", i)
		b.Graph.Outputs = append(b.Graph.Outputs, s)
	}
	for i, d := range deltas {
		d.Name = fmt.Sprintf("rpn_reg%d", i)
		b.Graph.Outputs = append(b.Graph.Outputs, d)
	}
	b.PassOver("roi_head")
	return nil
}

// align cuts regions of size×size out of the levels.
func align(size int) graph.RoiAlign {
	return graph.RoiAlign{Height: size, Width: size, Strides: strides[:levels], Finest: finest}
}

// boxHead adds the fully connected layers that give each region its classes' probabilities and the
// deltas of its boxes.
func boxHead(b *model.Builder, in []*graph.Value, channels int) (probabilities, deltas *graph.Value, err error) {
	const head = "roi_head.bbox_head"
	w := b.Shape(b.Beside(head + ".shared_fcs.0.weight"))
	size := 7
	if len(w) == 2 && w[1]%channels == 0 {
		size = int(math.Round(math.Sqrt(float64(w[1] / channels))))
	}
	n := channels * size * size
	x := b.Graph.Add("boxes.flat", graph.Flatten{}, b.Graph.Add("boxes.regions", align(max(size, 1)), in...))
	for i := range max(b.KeysBeside().Count(head+".shared_fcs"), 1) {
		name := fmt.Sprintf("boxes.fc.%d", i)
		if x, n, err = b.LinearBeside(name, fmt.Sprintf("%s.shared_fcs.%d", head, i), x, n, 0); err != nil {
			return nil, nil, err
		}
		x = b.Graph.Add(name+".act", graph.Relu{}, x)
	}
	y, classes, err := b.LinearBeside("boxes.cls", head+".fc_cls", x, n, 0)
	if err != nil {
		return nil, nil, err
	}
	b.Info.Classes = classes - 1 // the last is the background
	if b.Info.Classes < 1 {
		return nil, nil, &model.KeyError{Key: b.Beside(head + ".fc_cls.weight"), Found: []int{classes, n}, Want: "two classes at least, of which the last is the background"}
	}
	boxes := 4 * b.Info.Classes
	if s := b.Shape(b.Beside(head + ".fc_reg.weight")); len(s) == 2 && s[0] == 4 {
		boxes = 4 // all classes share them
	}
	d, _, err := b.LinearBeside("boxes.reg", head+".fc_reg", x, n, boxes)
	return b.Graph.Add("boxes.probabilities", graph.Softmax{}, y), d, err
}

// maskHead adds the convolutions that give each detection its mask.
func maskHead(b *model.Builder, cut []*graph.Value, dets, labels *graph.Value, most, channels int) (*graph.Value, error) {
	const head = "roi_head.mask_head"
	c := b.Stated.Config
	if err := errors.Join(c.Want("model.roi_head.mask_head.type", "FCNMaskHead"), c.Want("model.roi_head.mask_head.upsample_cfg.type", "deconv"),
		c.Want("model.roi_head.mask_roi_extractor.roi_layer.output_size", maskSize)); err != nil {
		return nil, model.First(err)
	}
	boxes := b.Graph.Add("masks.slice", graph.Slice{Axes: []int{2}, Starts: []int{0}, Ends: []int{4}, Steps: []int{1}}, dets)
	boxes = b.Graph.Add("masks.boxes", graph.Reshape{Shape: []int{most, 4}}, boxes)
	x := b.Graph.Add("masks.regions", align(maskSize), append(slices.Clone(cut), boxes)...)
	n := channels
	var err error
	for i := range b.KeysBeside().Count(head + ".convs") {
		name := fmt.Sprintf("masks.conv.%d", i)
		if x, n, err = b.ConvBeside(name, fmt.Sprintf("%s.convs.%d", head, i), x, model.Conv{In: n, Kernel: 3, Stride: model.Once}); err != nil {
			return nil, err
		}
		x = b.Graph.Add(name+".act", graph.Relu{}, x)
	}
	if x, n, err = b.ConvTranspose("masks.up", b.Beside(head+".upsample"), x, n, 2); err != nil {
		return nil, err
	}
	x = b.Graph.Add("masks.up.act", graph.Relu{}, x)
	rows := b.Info.Classes
	if s := b.Shape(b.Beside(head + ".conv_logits.weight")); len(s) == 4 && s[0] == 1 {
		rows = 1 // all classes share it
	}
	if x, _, err = b.Conv("masks.logits", b.Beside(head+".conv_logits"), x, model.Conv{In: n, Out: rows, Kernel: 1, Stride: model.Once}); err != nil {
		return nil, err
	}
	if rows > 1 {
		index := b.Graph.Add("masks.labels", graph.Reshape{Shape: []int{most, 1}}, labels)
		x = b.Graph.Add("masks.own", graph.GatherND{BatchDims: 1}, x, index)
	}
	x = b.Graph.Add("masks.probabilities", graph.Sigmoid{}, x)
	return b.Graph.Add("masks", graph.Reshape{Shape: []int{1, most, 2 * maskSize, 2 * maskSize}}, x), nil
}

// maskSize is the size of the regions that masks are computed of.
const maskSize = 14
