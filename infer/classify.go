package infer

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	stdimage "image" // the package has an image of its own
	"slices"
	"strconv"

	"golang.org/x/sync/errgroup"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/preprocess"
)

// Prediction is one class of an image.
type Prediction struct {
	Label string  // name of the class; its index where the model has no labels
	Index int     // position in the logits
	Score float32 // probability, in 0..1
}

// Keys of the graph's metadata.
const (
	metaVariant      = "repvit.variant"
	metaClasses      = "repvit.classes"
	metaQuantization = "repvit.quantization"
	metaSource       = "repvit.source"
	metaSHA256       = "repvit.source_sha256"

	metaLabels     = "repvit.labels"     // class names, a JSON array of strings
	metaPalette    = "repvit.palette"    // their colours, a JSON array of [red, green, blue]
	metaPreprocess = "repvit.preprocess" // JSON of a preprocess.Config or preprocess.Fit
)

// Classify returns the k most probable classes of an image, as [Session.Top] orders them. The
// image is prepared as [Session.Preprocess] says.
//
// The error wraps [preprocess.ErrConfig] or [preprocess.ErrImage], [ErrUnsupported] where the
// graph's first output is not N×classes, or is one of [Session.Run] or [Session.Top].
func (s *Session) Classify(ctx context.Context, img stdimage.Image, k int) ([]Prediction, error) {
	c, err := s.Preprocess()
	if err != nil {
		return nil, err
	}
	top, err := s.classify(ctx, c, []stdimage.Image{img}, k, func(_ int, err error) error { return err })
	if err != nil {
		return nil, err
	}
	return top[0], nil
}

// ClassifyBatch is [Session.Classify] for several images, in their order, which are prepared on as many
// cores as the session uses and computed some at a time: as many as the graph's input says or, where
// that takes any number, up to 16. An error about one image says which, from 0, and there are
// no answers for the others.
func (s *Session) ClassifyBatch(ctx context.Context, images []stdimage.Image, k int) ([][]Prediction, error) {
	c, err := s.Preprocess()
	if err != nil {
		return nil, err
	}
	size := maxBatch
	if in := s.model.graph.Inputs[0].Type.Shape; len(in) > 0 && in[0].Known() {
		size = max(in[0].Size, 1)
	}
	all := make([][]Prediction, 0, len(images))
	for from := 0; from < len(images); from += size {
		top, err := s.classify(ctx, c, images[from:min(from+size, len(images))], k, func(i int, err error) error {
			return fmt.Errorf("image %d: %w", from+i, err)
		})
		if err != nil {
			return nil, err
		}
		all = append(all, top...)
	}
	return all, nil
}

// maxBatch bounds what [Session.ClassifyBatch] computes at a time, and so its memory.
const maxBatch = 16

// classify answers for images in one run. A fixed batch is filled up with zeros. Errors about
// the image of an index are those of at.
func (s *Session) classify(ctx context.Context, c preprocess.Config, images []stdimage.Image, k int, at func(i int, err error) error) ([][]Prediction, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	in := s.model.graph.Inputs[0].Type
	n := len(images)
	if len(in.Shape) > 0 && in.Shape[0].Known() {
		n = max(n, in.Shape[0].Size)
	}
	each := c.Channels() * c.Height * c.Width
	pixels := make([]float32, n*each)
	errs := make([]error, len(images))
	var group errgroup.Group
	group.SetLimit(s.threads)
	for i, img := range images {
		group.Go(func() error {
			errs[i] = c.Into(pixels[i*each:][:each], img)
			return nil
		})
	}
	group.Wait()
	for i, err := range errs {
		if err != nil {
			return nil, at(i, err)
		}
	}
	x := graph.Float32Tensor([]int{n, c.Channels(), c.Height, c.Width}, pixels)
	logits, err := s.Run(ctx, convert(x, in.DType))
	if err != nil {
		return nil, err
	}
	if len(logits.Shape) != 2 || logits.Shape[0] != n {
		return nil, fmt.Errorf("%w: found a graph that gives %v for %d images, expected %d×classes", ErrUnsupported, logits.Shape, n, n)
	}
	all := make([][]Prediction, len(images))
	for i := range all {
		if all[i], err = s.Top(logits.Slice(i, i+1).Float32s(), k); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Preprocess returns what images go through before the network sees them: what the metadata
// "repvit.preprocess" says or, without it, ImageNet's constants, 224×224 pixels and a crop_pct
// of 0.875. A height or width that the graph's input fixes replaces that of the metadata.
// The error wraps [preprocess.ErrConfig], also where nothing says how images of other than
// three channels are normalised.
func (s *Session) Preprocess() (preprocess.Config, error) {
	if err := s.ready(); err != nil {
		return preprocess.Config{}, err
	}
	g := s.model.graph
	c := preprocess.ImageNet(224, 224, 0.875)
	c.Mean, c.Std = nil, nil // ImageNet's are for three channels
	if text, ok := g.Metadata[metaPreprocess]; ok {
		c = preprocess.Config{}
		if err := json.Unmarshal([]byte(text), &c); err != nil {
			return c, fmt.Errorf("%w: metadata %q: %w", preprocess.ErrConfig, metaPreprocess, err)
		}
	}
	channels := 3
	if in := g.Inputs[0].Type.Shape; len(in) == 4 {
		if in[1].Known() {
			channels = in[1].Size
		}
		if in[2].Known() {
			c.Height = in[2].Size
		}
		if in[3].Known() {
			c.Width = in[3].Size
		}
	}
	c, err := c.For(channels)
	if err != nil {
		return c, err
	}
	return c, c.Validate()
}

// Top returns the k most probable classes, or all if there are fewer, most probable first,
// given the logits of one image as [Session.Run] computes them. Equal scores are ordered by
// index and NaN comes last. Scores are the softmax of the logits, or what the graph
// gives where it ends in Softmax itself. The error wraps [graph.ErrGraph] where the model's labels are malformed
// and [graph.ErrShape] where their number, or that of the network's classes, differs from that of the
// logits: those of several images are given one by one.
func (s *Session) Top(logits []float32, k int) ([]Prediction, error) {
	if err := s.ready(); err != nil {
		return nil, err
	}
	g := s.model.graph
	labels, err := s.Labels()
	if err != nil {
		return nil, err
	}
	if labels != nil && len(labels) != len(logits) {
		return nil, fmt.Errorf("%w: %d labels for %d logits", graph.ErrShape, len(labels), len(logits))
	}
	if s := s.model.types[g.Outputs[0]].Shape; len(s) == 2 && s[1].Known() && s[1].Size != len(logits) {
		return nil, fmt.Errorf("%w: %d logits of a network with %d classes", graph.ErrShape, len(logits), s[1].Size)
	}
	scores := logits
	if !g.Probabilities(g.Outputs[0]) {
		scores = make([]float32, len(logits))
		softmax(scores, logits)
	}
	order := make([]int, len(logits))
	for i := range order {
		order[i] = i
	}
	// By logits: the scores of very small ones are all zero.
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(logits[b], logits[a]) })
	top := make([]Prediction, min(max(k, 0), len(order)))
	for i := range top {
		c := order[i]
		top[i] = Prediction{Label: strconv.Itoa(c), Index: c, Score: scores[c]}
		if labels != nil {
			top[i].Label = labels[c]
		}
	}
	return top, nil
}
