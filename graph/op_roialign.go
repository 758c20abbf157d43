package graph

import "fmt"

// RoiAlign cuts K regions out of the feature maps of one image, each scaled to Height×Width
// ("Mask R-CNN", arXiv 1703.06870, aligned as in mmcv and in ONNX's half_pixel). Its operands are
// the levels of a pyramid, 1×C×Hᵢ×Wᵢ of strides Strides[i], and the regions, K×4: x0, y0, x1, y1 in
// pixels of the image. The result is K×C×Height×Width.
//
// Of a pyramid each region takes the level that fits its size ("Feature Pyramid Networks", arXiv
// 1612.03144): the number of the sizes 2·Finest, 4·Finest, … that √(w·h) + Finest/10⁶ reaches.
//
// In the level's pixels a region begins at x0/stride − ½. Every bin is the mean of samples on a
// regular grid, ⌈size/bins⌉ of them along each axis, [MaxSamples] at most. A sample is bilinear
// between pixel centres; less than a pixel outside the map it is that of the border, farther
// away 0. A region without extent gives 0.
type RoiAlign struct {
	Height  int     `json:"height"`
	Width   int     `json:"width"`
	Strides []int   `json:"strides"`
	Finest  float64 `json:"finest,omitzero"` // size of a region of the first level; 0 where there is one level
}

// MaxSamples bounds the samples along an axis of a bin of [RoiAlign]: those of the largest image
// that is taken are fewer.
const MaxSamples = 1 << 10

// maxBins bounds the bins along an axis of a region.
const maxBins = 1 << 10

// Kind implements [Op].
func (RoiAlign) Kind() string { return "RoiAlign" }

// Traits implements [Op].
func (RoiAlign) Traits() Traits { return Coordinates }

func (o RoiAlign) infer(in []Type) (Type, error) {
	levels := len(o.Strides)
	if levels == 0 || levels > maxLevels || len(in) != levels+1 {
		return Type{}, fmt.Errorf("%w: %d operands and %d strides, want one for each level, and regions", ErrShape, len(in), levels)
	}
	if err := sameFloats(in); err != nil {
		return Type{}, err
	}
	if o.Height < 1 || o.Width < 1 || o.Height > maxBins || o.Width > maxBins {
		return Type{}, fmt.Errorf("%w: regions of %d×%d, want 1 to %d", ErrShape, o.Height, o.Width, maxBins)
	}
	if err := finite(o.Finest); err != nil {
		return Type{}, err
	}
	if (levels > 1) != (o.Finest > 0) {
		return Type{}, fmt.Errorf("%w: %d levels and a finest size of %v", ErrShape, levels, o.Finest)
	}
	var channels Dim
	for i, t := range in[:levels] {
		if err := oneImage(t); err != nil {
			return Type{}, err
		}
		if o.Strides[i] < 1 || o.Strides[i] > maxAxis {
			return Type{}, fmt.Errorf("%w: strides %v", ErrShape, o.Strides)
		}
		if i == 0 {
			channels = t.Shape[1]
		}
		var ok bool
		if channels, ok = unify(channels, t.Shape[1]); !ok {
			return Type{}, fmt.Errorf("%w: levels of %v and %v channels", ErrShape, channels, t.Shape[1])
		}
	}
	regions := in[levels].Shape
	if len(regions) != 2 || regions[1] != Fixed(4) {
		return Type{}, fmt.Errorf("%w: regions of shape %v, want K×4", ErrShape, regions)
	}
	return Type{in[0].DType, Shape{regions[0], channels, Fixed(o.Height), Fixed(o.Width)}}, nil
}

// reads counts four samples for each bin, of four pixels.
func (o RoiAlign) reads([]Type) Shape { return FixedShape(16) }

// maxLevels bounds the levels of a pyramid.
const maxLevels = 16

// oneImage checks feature maps of one image.
func oneImage(t Type) error {
	if len(t.Shape) != 4 {
		return fmt.Errorf("%w: maps of shape %v, want 1×C×H×W", ErrShape, t.Shape)
	}
	if t.Shape[0] != Fixed(1) {
		return fmt.Errorf("%w: maps of shape %v, want those of one image", ErrUnsupported, t.Shape)
	}
	return nil
}
