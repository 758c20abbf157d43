package evaluate

import (
	"context"
	"fmt"
	"image"
	"math"
	"path/filepath"
	"slices"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/mask"
	"github.com/repvit-go/repvit/preprocess"
)

// DetectionImages says what [RunDetection] runs on what.
type DetectionImages struct {
	// Detect returns what a network finds in an image, in the image's pixels, such as by
	// [Detections]; labels are the network's.
	Detect func(ctx context.Context, img image.Image) ([]Detection, error)
	Names  []string // of the network's classes, or nil
	// Dir is the folder of images that the annotations name.
	Dir         string
	Annotations *Annotations
	// Progress, where it is not nil, is called after every image.
	Progress func(done, total int)
}

// RunDetection measures a network on all images of a set of annotations. Its labels are found
// among the categories by their names, or, where it has none, are their positions. The error
// names the file concerned, and wraps [ErrAnnotations] where an image has no file name,
// [graph.ErrShape] where the network and the annotations do not fit each other, or is of package
// preprocess, of Detect, or that of ctx.
func RunDetection(ctx context.Context, o DetectionImages) (*DetectionResult, error) {
	labels, err := o.labels()
	if err != nil {
		return nil, err
	}
	p := NewAveragePrecision(o.Annotations)
	for i, m := range o.Annotations.Images {
		if m.File == "" {
			return nil, fmt.Errorf("%w: image %d has no file_name", ErrAnnotations, m.ID)
		}
		err := eachImage(ctx, filepath.Join(o.Dir, m.File), func(img image.Image) error {
			if b := img.Bounds(); b.Dx() != m.Width || b.Dy() != m.Height {
				return fmt.Errorf("%w: found %d×%d pixels, expected %d×%d as in the annotations", graph.ErrShape, b.Dy(), b.Dx(), m.Height, m.Width)
			}
			found, err := o.Detect(ctx, img)
			if err != nil {
				return err
			}
			if labels != nil {
				found = slices.Clone(found)
				for k, d := range found {
					if d.Label < 0 || d.Label >= len(labels) {
						return fmt.Errorf("%w: detection %d has the label %d, expected one of the network's %d", graph.ErrShape, k, d.Label, len(labels))
					}
					found[k].Label = labels[d.Label]
				}
			}
			return p.Add(m.ID, found)
		})
		if err != nil {
			return nil, err
		}
		if o.Progress != nil {
			o.Progress(i+1, len(o.Annotations.Images))
		}
	}
	return p.Result(), nil
}

// Detections reads what a detector answers for one image that was placed in its input: dets,
// floats 1×K×5, has x0, y0, x1, y1 in the input's pixels and the score of each row; labels is int64
// 1×K; masks, floats 1×K×rows×cols, has probabilities over each box, or is nil. Rows of score 0 are
// padding. Boxes and masks are in the image's pixels, as far as they are in the image. The error
// wraps [graph.ErrShape] for other types and shapes and boxes that are not finite.
func Detections(dets, labels, masks *graph.Tensor, at preprocess.Placement) ([]Detection, error) {
	if s := dets.Shape; !dets.DType.IsFloat() || len(s) != 3 || s[0] != 1 || s[2] != 5 || labels.DType != graph.Int64 || !slices.Equal(labels.Shape, s[:2]) {
		return nil, fmt.Errorf("%w: found %v of shape %v and labels %v of shape %v, expected floats 1×K×5 and int64 1×K", graph.ErrShape, dets.DType, dets.Shape, labels.DType, labels.Shape)
	}
	k := dets.Shape[1]
	var rows, cols int
	var probabilities []float32
	if masks != nil {
		if s := masks.Shape; !masks.DType.IsFloat() || len(s) != 4 || !slices.Equal(s[:2], dets.Shape[:2]) {
			return nil, fmt.Errorf("%w: found masks %v of shape %v, expected floats 1×%d×rows×cols", graph.ErrShape, masks.DType, masks.Shape, k)
		}
		rows, cols, probabilities = masks.Shape[2], masks.Shape[3], masks.Float32s()
	}
	found := dets.Float32s()
	var all []Detection
	for i := range k {
		row := found[5*i:][:5]
		d := Detection{Score: float64(row[4]), Label: int(labels.Int64s()[i])}
		if d.Score == 0 {
			continue
		}
		d.Box[0], d.Box[1] = at.ToImage(float64(row[0]), float64(row[1]))
		d.Box[2], d.Box[3] = at.ToImage(float64(row[2]), float64(row[3]))
		for _, v := range d.Box {
			if !(math.Abs(v) <= maxCoordinate) {
				return nil, fmt.Errorf("%w: detection %d has the box %v, expected finite numbers of at most %d", graph.ErrShape, i, row[:4], maxCoordinate)
			}
		}
		if masks != nil {
			var err error
			if d.Mask, err = mask.Paste(probabilities[i*rows*cols:][:rows*cols], rows, cols, d.Box, at.Image.Y, at.Image.X); err != nil {
				return nil, fmt.Errorf("%w: detection %d: %w", graph.ErrShape, i, err)
			}
		}
		for j, n := range []int{at.Image.X, at.Image.Y, at.Image.X, at.Image.Y} { // the mask is of the whole box
			d.Box[j] = min(max(d.Box[j], 0), float64(n))
		}
		all = append(all, d)
	}
	return all, nil
}

// labels returns the category of each of the network's classes, nil where it has no names.
func (o *DetectionImages) labels() ([]int, error) {
	var labels []int
	for i, name := range o.Names {
		same := func(c Category) bool { return c.Name == name }
		at := slices.IndexFunc(o.Annotations.Categories, same)
		if at < 0 {
			return nil, fmt.Errorf("%w: the network's class %d, %q, is none of the annotations' categories", graph.ErrShape, i, clip(name))
		}
		if slices.ContainsFunc(o.Annotations.Categories[at+1:], same) {
			return nil, fmt.Errorf("%w: several of the annotations' categories are named %q", graph.ErrShape, clip(name))
		}
		labels = append(labels, at)
	}
	return labels, nil
}
