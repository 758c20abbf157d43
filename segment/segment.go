// Package segment tells what every pixel of an image shows, with a converted segmenter, ONNX or
// native:
//
//	s, err := segment.Open("m1.onnx", infer.Options{})
//	if err != nil {
//		return err
//	}
//	defer s.Close()
//	m, err := s.Segment(ctx, img)
//	if err != nil {
//		return err
//	}
//	fmt.Println(m.Label(m.ColorIndexAt(x, y)))
//
// Everything that the network needs is in its file: how images become its input, the classes'
// names and colours.
//
// # Stability
//
// The package is young: names may change with a minor version, and the changelog says so.
package segment

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"math"
	"slices"
	"strconv"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/preprocess"
)

// Segmenter is a network that gives pixels classes. It may be used from many goroutines at once.
type Segmenter struct {
	session *infer.Session
	fit     preprocess.Fit
	labels  []string
	palette color.Palette
}

// MostClasses is how many classes a [Map] can tell apart.
const MostClasses = 256

// Open prepares the segmenter of a file. The error names the file and is one of [infer.Open] or
// [New].
func Open(path string, opts infer.Options) (*Segmenter, error) {
	session, err := infer.Open(path, opts)
	if err != nil {
		return nil, err
	}
	s, err := New(session)
	if err != nil {
		session.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// New makes a segmenter of a session, which it closes. The network gives classes or logits of the
// input's size. The error wraps [graph.ErrUnsupported] where it gives something else or has more than
// [MostClasses] classes, [preprocess.ErrConfig] where the file does not say how images become its
// input, or is one of [infer.Session.Labels] or [infer.Palette].
func New(session *infer.Session) (*Segmenter, error) {
	if session == nil {
		return nil, fmt.Errorf("%w: no session", graph.ErrUnsupported)
	}
	g := session.Graph()
	classes, err := Classes(g)
	if err != nil {
		return nil, err
	}
	if classes > MostClasses {
		return nil, fmt.Errorf("%w: found %d classes, expected at most %d", graph.ErrUnsupported, classes, MostClasses)
	}
	s := &Segmenter{session: session}
	if s.fit, err = session.Fit(); err != nil {
		return nil, err
	}
	if s.labels, err = session.Labels(); err != nil {
		return nil, err
	}
	colors, err := infer.Palette(g)
	if err != nil {
		return nil, err
	}
	for c := range classes {
		s.palette = append(s.palette, Color(colors, c))
	}
	return s, nil
}

// Classes returns the number of classes of a segmenter's graph, whose only output is the classes of
// pixels or their logits. The error wraps [graph.ErrUnsupported] for another.
func Classes(g *graph.Graph) (int, error) {
	if g == nil {
		return 0, fmt.Errorf("%w: no graph", graph.ErrUnsupported)
	}
	types, err := g.Types()
	if err != nil {
		return 0, err
	}
	v := g.Outputs[0]
	s := types[v].Shape
	if n := g.Producers()[v]; n != nil {
		if op, ok := n.Op.(graph.ArgMax); ok && op.KeepDims && op.Axis == -3 {
			s = types[n.Inputs[0]].Shape
		}
	}
	in := g.Inputs[0].Type.Shape
	if len(g.Outputs) != 1 || len(s) != 4 || len(in) != 4 || !s[1].Known() || !slices.Equal(s[2:], in[2:]) {
		return 0, fmt.Errorf("%w: found an output of shape %v for an input of %v, expected classes or logits of every pixel, as segmenters give them", graph.ErrUnsupported, types[v].Shape, in)
	}
	return s[1].Size, nil
}

// Labels are the names of the classes; nil where the file names none.
func (s *Segmenter) Labels() []string {
	if s == nil {
		return nil
	}
	return s.labels
}

// Close frees the network. Runs that are going on finish.
func (s *Segmenter) Close() error {
	if s == nil {
		return nil
	}
	return s.session.Close()
}

// Map has a class for every pixel of an image, as a picture with a colour for each.
type Map struct {
	*image.Paletted          // the index of a pixel's colour is its class
	Labels          []string // names of the classes; nil where the file names none
}

// Label returns the name of a class, or its number where it has none.
func (m *Map) Label(class uint8) string {
	if int(class) < len(m.Labels) {
		return m.Labels[class]
	}
	return strconv.Itoa(int(class))
}

// Segment returns what the pixels of an image show, by a map of its bounds. Images of files are to be
// opened with [preprocess.OpenUpright]. The error is one of [preprocess.Fit.Place],
// [infer.Session.Run] or [preprocess.Placement.Classes]; of a nil segmenter it is [infer.ErrClosed].
func (s *Segmenter) Segment(ctx context.Context, img image.Image) (*Map, error) {
	if s == nil {
		return nil, infer.ErrClosed
	}
	x, at, err := s.fit.Tensor(img)
	if err != nil {
		return nil, err
	}
	y, err := s.session.Run(ctx, x)
	if err != nil {
		return nil, err
	}
	classes, err := at.Classes(y)
	if err != nil {
		return nil, err
	}
	m := &Map{image.NewPaletted(img.Bounds(), s.palette), s.labels}
	for i, c := range classes {
		m.Pix[i] = uint8(c)
	}
	return m, nil
}

// Color returns the colour of a class: that of the list, or else one that is made up, with hues that
// are far apart for numbers that are near, in turn bright and dark.
func Color(colors [][3]uint8, class int) color.RGBA {
	if class < len(colors) {
		c := colors[class]
		return color.RGBA{c[0], c[1], c[2], 255}
	}
	const golden = 0.6180339887498949
	hue := math.Mod(float64(class)*golden, 1) * 6
	value := []float64{255, 170, 215}[class%3]
	part := func(shift float64) uint8 { // of a channel, whose hue is shift sixths away
		at := math.Mod(hue+shift, 6)
		return uint8(value * (1 - min(max(min(at, 4-at), 0), 1)))
	}
	return color.RGBA{part(5), part(3), part(1), 255}
}
