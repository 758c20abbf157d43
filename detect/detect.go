// Package detect finds objects in images with a converted detector, ONNX or native:
//
//	d, err := detect.Open("m1.onnx", infer.Options{})
//	if err != nil {
//		return err
//	}
//	defer d.Close()
//	objects, err := d.Detect(ctx, img)
//
// Everything that the network needs is in its file: how images become its input, the classes'
// names, the thresholds. Boxes and masks are in the image's own pixels.
//
// # Stability
//
// The package is young: names may change with a minor version, and the changelog says so.
package detect

import (
	"context"
	"fmt"
	"image"
	"math"
	"slices"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/mask"
	"github.com/repvit-go/repvit/preprocess"
)

// Detection is an object that a network found.
type Detection struct {
	Box   [4]float64 // x0, y0, x1, y1 in pixels of the image
	Score float64    // probability, 0 to 1
	Class int        // position in the network's classes
	Label string     // name of the class; empty where the file names none
	Mask  mask.Mask  // of the image's size; of size 0×0 where the network gives none
}

// Detector is a network that finds objects. It may be used from many goroutines at once.
type Detector struct {
	session *infer.Session
	fit     preprocess.Fit
	labels  []string
}

// Open prepares the detector of a file. The error names the file and is one of [infer.Open] or
// [New].
func Open(path string, opts infer.Options) (*Detector, error) {
	s, err := infer.Open(path, opts)
	if err != nil {
		return nil, err
	}
	d, err := New(s)
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

// New makes a detector of a session, which it closes. The error wraps [graph.ErrUnsupported] where the
// network gives no boxes, [preprocess.ErrConfig] where the file does not say how images become its
// input, or is one of [infer.Session.Labels].
func New(s *infer.Session) (*Detector, error) {
	if s == nil {
		return nil, fmt.Errorf("%w: no session", graph.ErrUnsupported)
	}
	if !Is(s.Graph()) {
		return nil, fmt.Errorf("%w: found no outputs named dets and labels, as detectors have them", graph.ErrUnsupported)
	}
	fit, err := s.Fit()
	if err != nil {
		return nil, err
	}
	labels, err := s.Labels()
	return &Detector{s, fit, labels}, err
}

// Is reports whether a network is a detector, by the names of its outputs.
func Is(g *graph.Graph) bool {
	if g == nil {
		return false
	}
	named := func(name string) bool {
		return slices.ContainsFunc(g.Outputs, func(v *graph.Value) bool { return v.Name == name })
	}
	return named("dets") && named("labels")
}

// Labels are the names of the classes; nil where the file names none.
func (d *Detector) Labels() []string {
	if d == nil {
		return nil
	}
	return d.labels
}

// Close frees the network. Detections that are going on finish.
func (d *Detector) Close() error {
	if d == nil {
		return nil
	}
	return d.session.Close()
}

// Detect returns the objects in an image by falling score. Images of files are to be opened with
// [preprocess.OpenUpright]. The error is one of [preprocess.Fit.Place], [infer.Session.RunAll] or
// [Read]; of a nil detector it is [infer.ErrClosed].
func (d *Detector) Detect(ctx context.Context, img image.Image) ([]Detection, error) {
	if d == nil {
		return nil, infer.ErrClosed
	}
	x, at, err := d.fit.Tensor(img)
	if err != nil {
		return nil, err
	}
	outputs, err := d.session.RunAll(ctx, x)
	if err != nil {
		return nil, err
	}
	found, err := Outputs(d.session.Graph(), outputs, at)
	for i, o := range found {
		if o.Class >= 0 && o.Class < len(d.labels) {
			found[i].Label = d.labels[o.Class]
		}
	}
	return found, err
}

// Outputs is [Read] for all outputs of a network for which [Is] holds.
func Outputs(g *graph.Graph, outputs []*graph.Tensor, at preprocess.Placement) ([]Detection, error) {
	named := map[string]*graph.Tensor{}
	if g != nil {
		for i, v := range g.Outputs[:min(len(g.Outputs), len(outputs))] {
			named[v.Name] = outputs[i]
		}
	}
	return Read(named["dets"], named["labels"], named["masks"], at)
}

// maxCoordinate bounds boxes in pixels.
const maxCoordinate = 1 << 24

// Read reads what a detector answers for one image that was placed in its input: dets,
// floats 1×K×5, has x0, y0, x1, y1 in the input's pixels and the score of each row; labels is int64
// 1×K; masks, floats 1×K×rows×cols, has probabilities over each box, or is nil. Rows of score 0 are
// padding. Boxes and masks are in the image's pixels, as far as they are in the image. The error
// wraps [graph.ErrShape] for other types and shapes and boxes that are not finite.
func Read(dets, labels, masks *graph.Tensor, at preprocess.Placement) ([]Detection, error) {
	if dets == nil || labels == nil {
		return nil, fmt.Errorf("%w: found no boxes or no labels, expected floats 1×K×5 and int64 1×K", graph.ErrShape)
	}
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
		d := Detection{Score: float64(row[4]), Class: int(labels.Int64s()[i])}
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
