package infer

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	stdimage "image" // the package has an image of its own
	"slices"
	"strconv"

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
// graph's first output is not 1×classes, or is one of [Session.Run] or [Session.Top]. A graph
// with a fixed batch takes images one by one only if that is one.
func (s *Session) Classify(ctx context.Context, img stdimage.Image, k int) ([]Prediction, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c, err := s.Preprocess()
	if err != nil {
		return nil, err
	}
	x, err := c.Tensor(img)
	if err != nil {
		return nil, err
	}
	logits, err := s.Run(ctx, convert(x, s.model.graph.Inputs[0].Type.DType))
	if err != nil {
		return nil, err
	}
	if len(logits.Shape) != 2 || logits.Shape[0] != 1 {
		return nil, fmt.Errorf("%w: Classify on a graph that gives %v, expected 1×classes", ErrUnsupported, logits.Shape)
	}
	return s.Top(logits.Float32s(), k)
}

// Preprocess returns what images go through before the network sees them: what the metadata
// "repvit.preprocess" says or, without it, ImageNet's constants, 224×224 pixels and a crop_pct
// of 0.875. A height or width that the graph's input fixes replaces that of the metadata.
// The error wraps [preprocess.ErrConfig], also where nothing says how images of other than
// three channels are normalised.
func (s *Session) Preprocess() (preprocess.Config, error) {
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
