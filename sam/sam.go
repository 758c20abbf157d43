// Package sam answers prompts on images with Segment Anything networks that repvit-convert wrote,
// such as RepViT-SAM and EdgeSAM: an encoder makes an embedding of an image, once, and a decoder a mask
// of it for every prompt.
//
//	s, err := sam.Open("sam.encoder.onnx", "sam.decoder.onnx", infer.Options{})
//	if err != nil {
//		return err
//	}
//	defer s.Close()
//	e, err := s.Embed(ctx, img)
//	if err != nil {
//		return err
//	}
//	m, err := s.Segment(ctx, e, sam.Prompt{Inside: []sam.Point{{X: 320, Y: 200}}})
//	if err != nil {
//		return err
//	}
//	png.Encode(w, m.Image())
//
// Points and boxes are in the image's own pixels. What the networks need beside, a letterboxed image,
// places in it, a padding point, and the choice among several masks, is this package's business.
//
// Files of every layout that repvit-convert writes are understood, see docs/sam.md. A Segmenter may be
// used from many goroutines at once.
//
// # Stability
//
// Within a major version, programs that use this package go on to compile and mean the same.
package sam

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math"
	"slices"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/preprocess"
)

// Errors that the package's functions wrap, beside those of infer and preprocess.
var (
	ErrNetwork = errors.New("not the networks of Segment Anything that are expected")
	ErrPrompt  = errors.New("unusable prompt")
)

// Names of the decoder's inputs and outputs.
const (
	embeddings = "image_embeddings"
	coords     = "point_coords"
	labels     = "point_labels"
	maskInput  = "mask_input"
	hasMask    = "has_mask_input"
	imageSize  = "orig_im_size"

	masks      = "masks"
	quality    = "iou_predictions"
	lowMasks   = "low_res_masks"
	stability  = "scores"
	metaImages = "repvit.preprocess"
)

// stride is that of embeddings, and of masks in the pixels of a decoder.
const (
	stride     = 16
	maskStride = 4
)

// MaxPoints is how many points a prompt may have.
const MaxPoints = 1024

// Segmenter is an encoder and a decoder.
type Segmenter struct {
	encoder, decoder *infer.Session
	tail             *infer.Session // masks → those of the image's size
	fit              preprocess.Fit
	dim, grid        int // of embeddings
	several          bool
}

// Open opens the files of an encoder and a decoder, ONNX or native. Close ends what it began. The
// error names the file and is one of [infer.Open], or that of [New].
func Open(encoder, decoder string, opts infer.Options) (*Segmenter, error) {
	e, err := infer.Open(encoder, opts)
	if err != nil {
		return nil, err
	}
	d, err := infer.Open(decoder, opts)
	if err != nil {
		e.Close()
		return nil, err
	}
	s, err := New(e, d)
	if err != nil {
		e.Close()
		d.Close()
		return nil, fmt.Errorf("%s and %s: %w", encoder, decoder, err)
	}
	return s, nil
}

// New makes a Segmenter of two sessions, which its Close closes. The error wraps [ErrNetwork] where
// they are not an encoder and its decoder.
func New(encoder, decoder *infer.Session) (*Segmenter, error) {
	s := &Segmenter{encoder: encoder, decoder: decoder}
	e, d := encoder.Graph(), decoder.Graph()
	out, err := e.Types()
	if err != nil {
		return nil, err
	}
	shape, known := out[e.Outputs[0]].Shape.Ints()
	if known {
		known = len(shape) == 4
	} else if f := out[e.Outputs[0]].Shape; len(f) == 4 { // a batch of any size
		shape, known = append(graph.Shape{graph.Fixed(1)}, f[1:]...).Ints()
	}
	if len(e.Inputs) != 1 || len(e.Outputs) != 1 || !known || shape[2] != shape[3] {
		return nil, fmt.Errorf("%w: the first has the inputs %s and the outputs %s, expected an encoder with an image as the input and an embedding of known size as the output", ErrNetwork, names(e.Inputs), names(e.Outputs))
	}
	s.dim, s.grid = shape[1], shape[2]
	for _, name := range []string{embeddings, coords, labels} {
		if input(d, name) == nil {
			return nil, fmt.Errorf("%w: the second has the inputs %s, expected a decoder with %s", ErrNetwork, names(d.Inputs), name)
		}
	}
	if want := input(d, embeddings).Type.Shape; len(want) != 4 || !slices.Equal(want[1:], graph.FixedShape(s.dim, s.grid, s.grid)) {
		return nil, fmt.Errorf("%w: the encoder gives %v, and the decoder takes %v: they belong to different networks or sizes", ErrNetwork, shape, want)
	}
	switch outputs := names(d.Outputs); {
	case output(d, masks) >= 0 && output(d, quality) >= 0 && output(d, lowMasks) >= 0:
	case output(d, quality) >= 0 && output(d, lowMasks) >= 0, output(d, stability) >= 0 && output(d, masks) >= 0:
		s.several = true
	default:
		return nil, fmt.Errorf("%w: the decoder gives %s, expected masks and what they are worth", ErrNetwork, outputs)
	}
	s.fit = preprocess.Letterbox(s.grid * stride)
	if text, ok := e.Metadata[metaImages]; ok {
		f, err := preprocess.ParseFit([]byte(text))
		if err != nil {
			return nil, fmt.Errorf("metadata %s: %w", metaImages, err)
		}
		s.fit = f.Sized(s.grid*stride, s.grid*stride)
	}
	if s.several {
		if s.tail, err = tail(s.grid); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// tail is the network that brings a mask to the size of the image.
func tail(grid int) (*infer.Session, error) {
	side := grid * stride / maskStride
	g := &graph.Graph{Inputs: []*graph.Value{
		{Name: lowMasks, Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(1, 1, side, side)}},
		{Name: imageSize, Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(2)}},
	}}
	g.Outputs = []*graph.Value{g.Add(masks, graph.PostprocessMasks{Size: grid * stride}, g.Inputs...)}
	return infer.New(g, infer.Options{MaxMemory: maxTail})
}

// maxTail is the memory that a mask may take: that of the largest image that is read.
const maxTail = 1 << 30

func names(values []*graph.Value) string {
	var list []string
	for _, v := range values {
		list = append(list, v.Name)
	}
	return fmt.Sprint(list)
}

func input(g *graph.Graph, name string) *graph.Value {
	for _, v := range g.Inputs {
		if v.Name == name {
			return v
		}
	}
	return nil
}

func output(g *graph.Graph, name string) int {
	return slices.IndexFunc(g.Outputs, func(v *graph.Value) bool { return v.Name == name })
}

// Close ends both sessions.
func (s *Segmenter) Close() error {
	if s.tail != nil {
		s.tail.Close()
	}
	return errors.Join(s.encoder.Close(), s.decoder.Close())
}

// Size is the side of the square that the encoder sees, in pixels.
func (s *Segmenter) Size() int { return s.grid * stride }

// Embedding is what the encoder makes of an image. It may be used by many goroutines at once.
type Embedding struct {
	// Tensor is 1×D×S/16×S/16 float32. Saved with package npy, it and the image's size are all that
	// [Segmenter.Embedding] needs.
	Tensor *graph.Tensor
	place  preprocess.Placement
}

// Bounds is the size of the image.
func (e *Embedding) Bounds() image.Point { return e.place.Image }

// Embed computes the embedding of an image, which is to stand upright (see [preprocess.OpenUpright]).
// The error is one of [preprocess.Fit] or of [infer.Session.Run].
func (s *Segmenter) Embed(ctx context.Context, img image.Image) (*Embedding, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var x *graph.Tensor
	var place preprocess.Placement
	var err error
	switch in := s.encoder.Graph().Inputs[0].Type; {
	case len(in.Shape) == 3: // h×w×3 of 0…255
		x, place, err = s.fit.Pixels(img)
		if err == nil {
			x = graph.Float32Tensor(x.Shape, x.Float32s())
		}
	case in.DType == graph.Uint8: // 1×3×h×w
		x, place, err = s.fit.Pixels(img)
		if err == nil {
			x, err = planes(x)
		}
	default:
		x, place, err = s.fit.Tensor(img)
	}
	if err != nil {
		return nil, err
	}
	y, err := s.encoder.Run(ctx, x)
	if err != nil {
		return nil, err
	}
	return &Embedding{y, place}, nil
}

// planes makes 1×3×h×w of h×w×3.
func planes(x *graph.Tensor) (*graph.Tensor, error) {
	n := x.Shape[0] * x.Shape[1]
	src, dst := x.Bytes(), make([]byte, 3*n)
	for i := range n {
		for c := range 3 {
			dst[c*n+i] = src[3*i+c]
		}
	}
	return graph.NewTensor(graph.Uint8, []int{1, 3, x.Shape[0], x.Shape[1]}, dst)
}

// Embedding returns an embedding that was kept, of an image of the size given. The error wraps
// [graph.ErrShape] for one of another network, or is that of [preprocess.Fit.Place].
func (s *Segmenter) Embedding(t *graph.Tensor, width, height int) (*Embedding, error) {
	if t == nil || t.DType != graph.Float32 || !slices.Equal(t.Shape, []int{1, s.dim, s.grid, s.grid}) {
		found := "none"
		if t != nil {
			found = fmt.Sprintf("%v of shape %v", t.DType, t.Shape)
		}
		return nil, fmt.Errorf("%w: an embedding: found %s, expected float32 of shape %v", graph.ErrShape, found, []int{1, s.dim, s.grid, s.grid})
	}
	if err := t.Validate(); err != nil {
		return nil, err
	}
	place, err := s.fit.Place(width, height)
	if err != nil {
		return nil, err
	}
	return &Embedding{t, place}, nil
}

// Point is a place in an image: x to the right, y down, in pixels.
type Point struct{ X, Y float64 }

// Box is a rectangle in an image, from its upper left corner to its lower right one.
type Box struct{ X0, Y0, X1, Y1 float64 }

// Prompt says what to segment. There has to be a point or a box.
type Prompt struct {
	Inside  []Point // on the object
	Outside []Point // not on it
	Box     *Box    // around it; nil for none
	// Before is a mask that was found, to be refined; nil for none. A decoder of layout edgesam takes
	// none.
	Before *Mask
}

// points returns a prompt's points in the encoder's square, with their labels, and the padding.
func (p Prompt) points(at preprocess.Placement) (list [][3]float64, err error) {
	const outside, inside, topLeft, bottomRight, padding = 0, 1, 2, 3, -1
	n := len(p.Inside) + len(p.Outside)
	switch {
	case n == 0 && p.Box == nil:
		return nil, fmt.Errorf("%w: found none, expected a point or a box", ErrPrompt)
	case n > MaxPoints:
		return nil, fmt.Errorf("%w: found %d points, expected at most %d", ErrPrompt, n, MaxPoints)
	}
	add := func(x, y float64, label float64) {
		// In the image, or on its border; not so NaN.
		if !(x >= 0 && x <= float64(at.Image.X) && y >= 0 && y <= float64(at.Image.Y)) && err == nil {
			err = fmt.Errorf("%w: found the point %v,%v, expected one in the image of %d×%d pixels", ErrPrompt, x, y, at.Image.X, at.Image.Y)
		}
		x, y = at.ToInput(x, y)
		list = append(list, [3]float64{x, y, label})
	}
	for _, q := range p.Inside {
		add(q.X, q.Y, inside)
	}
	for _, q := range p.Outside {
		add(q.X, q.Y, outside)
	}
	if b := p.Box; b != nil {
		if err == nil && !(b.X0 < b.X1 && b.Y0 < b.Y1) {
			return nil, fmt.Errorf("%w: found the box %v,%v,%v,%v, expected its upper left corner first, then its lower right one", ErrPrompt, b.X0, b.Y0, b.X1, b.Y1)
		}
		add(b.X0, b.Y0, topLeft)
		add(b.X1, b.Y1, bottomRight)
	}
	return append(list, [3]float64{0, 0, padding}), err
}

// Mask is what the decoder answers.
type Mask struct {
	Width, Height int
	Logits        []float32 // of every pixel, row by row: above 0 it is the object's
	// Score is the quality that the network predicts, about 0 to 1; of a decoder of layout edgesam how
	// stable the mask is.
	Score float64
	// Points are what the decoder was given: x and y in its square, and the label.
	Points [][3]float64

	low []float32
}

// At reports whether a pixel is the object's.
func (m *Mask) At(x, y int) bool { return m.Logits[y*m.Width+x] > 0 }

// Area returns how many pixels are.
func (m *Mask) Area() int {
	n := 0
	for _, v := range m.Logits {
		if v > 0 {
			n++
		}
	}
	return n
}

// Image returns the mask as a picture: 255 where the object is, else 0.
func (m *Mask) Image() *image.Gray {
	g := image.NewGray(image.Rect(0, 0, m.Width, m.Height))
	for i, v := range m.Logits {
		if v > 0 {
			g.Pix[i] = 255
		}
	}
	return g
}

// Segment returns the mask of what a prompt points at. With one click the decoder chooses the best of
// those masks that it has for several meanings of a click, else its first mask is the answer. The error
// wraps [ErrPrompt], [ErrNetwork] where the decoder takes no mask to refine, or is one of
// [infer.Session.RunInputs].
func (s *Segmenter) Segment(ctx context.Context, e *Embedding, p Prompt) (*Mask, error) {
	points, err := p.points(e.place)
	if err != nil {
		return nil, err
	}
	at, which := make([]float32, 0, 2*len(points)), make([]float32, 0, len(points))
	for _, q := range points {
		at, which = append(at, float32(q[0]), float32(q[1])), append(which, float32(q[2]))
	}
	side := s.grid * stride / maskStride
	low, has := make([]float32, side*side), float32(0)
	if p.Before != nil {
		if len(p.Before.low) != len(low) || input(s.decoder.Graph(), maskInput) == nil {
			return nil, fmt.Errorf("%w: a mask to refine is of another size, or the decoder takes none", ErrNetwork)
		}
		low, has = p.Before.low, 1
	}
	size := graph.Float32Tensor([]int{2}, []float32{float32(e.place.Image.Y), float32(e.place.Image.X)})
	given := map[string]*graph.Tensor{
		embeddings: e.Tensor,
		coords:     graph.Float32Tensor([]int{1, len(points), 2}, at),
		labels:     graph.Float32Tensor([]int{1, len(points)}, which),
		maskInput:  graph.Float32Tensor([]int{1, 1, side, side}, low),
		hasMask:    graph.Float32Tensor([]int{1}, []float32{has}),
		imageSize:  size,
	}
	g := s.decoder.Graph()
	var inputs []*graph.Tensor
	for _, v := range g.Inputs {
		if given[v.Name] == nil {
			return nil, fmt.Errorf("%w: the decoder has an input %q", ErrNetwork, v.Name)
		}
		inputs = append(inputs, given[v.Name])
	}
	out, err := s.decoder.RunInputs(ctx, inputs)
	if err != nil {
		return nil, err
	}
	m := &Mask{Width: e.place.Image.X, Height: e.place.Image.Y, Points: points}
	if !s.several {
		m.Logits, m.low = out[output(g, masks)].Float32s(), out[output(g, lowMasks)].Float32s()
		m.Score = float64(out[output(g, quality)].Float32s()[0])
		return m, nil
	}
	all, scores, best := 0, []float32(nil), 0
	if k := output(g, stability); k >= 0 {
		all, scores = output(g, masks), out[k].Float32s()
		if len(points) == 2 {
			best = largest(scores)
		}
	} else {
		all, scores = output(g, lowMasks), out[output(g, quality)].Float32s()
		if len(points) == 2 && len(scores) > 1 {
			best = 1 + largest(scores[1:])
		}
	}
	maps := out[all].Float32s()
	if len(maps) != len(scores)*side*side {
		return nil, fmt.Errorf("%w: the decoder gives masks of shape %v and %d scores", ErrNetwork, out[all].Shape, len(scores))
	}
	m.low, m.Score = maps[best*side*side:][:side*side], float64(scores[best])
	full, err := s.tail.RunInputs(ctx, []*graph.Tensor{graph.Float32Tensor([]int{1, 1, side, side}, m.low), size})
	if err != nil {
		return nil, err
	}
	m.Logits = full[0].Float32s()
	return m, nil
}

// largest is the index of the largest number, the first of several.
func largest(v []float32) int {
	best, top := 0, math.Inf(-1)
	for i, x := range v {
		if float64(x) > top {
			best, top = i, float64(x)
		}
	}
	return best
}
