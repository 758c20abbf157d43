package graph

import "fmt"

// Proposals finds the regions in which a region proposal network sees objects ("Faster R-CNN",
// arXiv 1506.01497), as mmdet's RPNHead does it for one image. Its operands are the scores of all
// levels, 1×A×Hᵢ×Wᵢ, and then their deltas, 1×4A×Hᵢ×Wᵢ; anchor a has the deltas 4a … 4a+3: dx, dy,
// dw, dh. Its outputs are K regions, K×4, x0, y0, x1, y1 in pixels of the image, and their scores,
// K, which fall. Places for which there is no region are zeros with the score −1.
//
// The anchors of a cell of level i are centred on its upper left corner (x·Strides[i],
// y·Strides[i]), have the area (Scale·Strides[i])² and the heights to widths Ratios. Of every level
// the Before highest scores are looked at. Their boxes are decoded ([Deltas]), and those without
// extent left out. From the highest score on, a box suppresses those of its level that overlap it
// by more than IoU; the Most highest scores of all levels are given. Of equal scores the one of
// the lower level, row, column and anchor comes first.
type Proposals struct {
	Deltas
	Strides []int     `json:"strides"`
	Scale   float64   `json:"scale"`
	Ratios  []float64 `json:"ratios"`
	Before  int       `json:"before"`
	Most    int       `json:"most"`
	IoU     float64   `json:"iou"`
}

// Deltas says how boxes are decoded, as mmdet's DeltaXYWHBBoxCoder does it: of a region with centre
// p and size s, deltas d become the box with centre p + s·(d·Std) and size s·e^(d·Std), whose
// exponents are clamped to ±[MaxLogScale]; its corners are then clipped to the image.
type Deltas struct {
	Std    [4]float64 `json:"std"`
	Height int        `json:"height"` // of the image
	Width  int        `json:"width"`
}

// MaxLogScale is |ln(16/1000)|, which bounds the change of a size by deltas.
const MaxLogScale = 4.135166556742356

func (d Deltas) check() error {
	if d.Height < 1 || d.Width < 1 || d.Height > maxAxis || d.Width > maxAxis {
		return fmt.Errorf("%w: an image of %d×%d", ErrShape, d.Height, d.Width)
	}
	return finite(d.Std[:]...)
}

// most bounds numbers of regions.
const mostRegions = 1 << 14

// overlap checks a number of regions and the overlap above which they suppress each other.
func overlap(most int, iou float64) error {
	if most < 1 || most > mostRegions {
		return fmt.Errorf("%w: %d regions, want 1 to %d", ErrUnsupported, most, mostRegions)
	}
	if !(iou >= 0 && iou <= 1) {
		return fmt.Errorf("%w: an overlap of %v, want 0 to 1", ErrShape, iou)
	}
	return nil
}

// Kind implements [Op].
func (Proposals) Kind() string { return "Proposals" }

// Traits implements [Op].
func (Proposals) Traits() Traits { return Coordinates | Decides }

// Count returns how many regions are given for maps of the sizes that operands have.
func (o Proposals) count(in []Type) (int, error) {
	levels, anchors := len(o.Strides), len(o.Ratios)
	k := 0
	for i := range levels {
		scores, deltas := in[i], in[levels+i]
		for c, t := range map[int]Type{anchors: scores, 4 * anchors: deltas} {
			if err := oneImage(t); err != nil {
				return 0, err
			}
			if dims, ok := t.Shape.Ints(); !ok || dims[1] != c {
				return 0, fmt.Errorf("%w: maps of shape %v, want 1×%d×H×W of known size", ErrUnsupported, t.Shape, c)
			}
		}
		h, w := scores.Shape[2], scores.Shape[3]
		if deltas.Shape[2] != h || deltas.Shape[3] != w {
			return 0, fmt.Errorf("%w: scores of shape %v and deltas of shape %v", ErrShape, scores.Shape, deltas.Shape)
		}
		if h.Size > maxAxis || w.Size > maxAxis/h.Size {
			return 0, fmt.Errorf("%w: maps of shape %v", ErrTooLarge, scores.Shape)
		}
		k += min(o.Before, anchors*h.Size*w.Size)
	}
	return min(k, o.Most), nil
}

func (o Proposals) infer(in []Type) (Type, error) {
	levels, anchors := len(o.Strides), len(o.Ratios)
	if levels == 0 || levels > maxLevels || len(in) != 2*levels || anchors == 0 || anchors > maxLevels {
		return Type{}, fmt.Errorf("%w: %d operands, %d strides, %d ratios", ErrShape, len(in), levels, anchors)
	}
	if err := sameFloats(in); err != nil {
		return Type{}, err
	}
	for _, err := range []error{o.check(), overlap(o.Most, o.IoU), overlap(o.Before, o.IoU), finite(append(o.Ratios, o.Scale)...)} {
		if err != nil {
			return Type{}, err
		}
	}
	for _, r := range append(o.Ratios, o.Scale) {
		if !(r > 0) {
			return Type{}, fmt.Errorf("%w: anchors of scale %v and ratios %v", ErrShape, o.Scale, o.Ratios)
		}
	}
	for _, s := range o.Strides {
		if s < 1 || s > maxAxis {
			return Type{}, fmt.Errorf("%w: strides %v", ErrShape, o.Strides)
		}
	}
	k, err := o.count(in)
	return Type{in[0].DType, FixedShape(k, 4)}, err
}

func (o Proposals) further(in []Type) []Type {
	k, _ := o.count(in)
	return []Type{{in[0].DType, FixedShape(k)}}
}

// reads counts the comparisons of boxes with each other, and the scores.
func (o Proposals) reads(in []Type) Shape { return FixedShape(len(o.Strides), o.Before) }
