package model

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/pytorch"
)

// Whole is a kind of network that has a backbone of one of the families as a part: a segmenter or
// a detector. The packages below this one have one each.
type Whole struct {
	Name     string
	Also     string   // its name without one of its heads, or that of its part without the backbone
	Outputs  []string // that it has with one option or another
	Backbone string   // what stands before the backbone's keys; empty for "backbone."
	Bare     bool     // or nothing does
	Scopes   []string // first parts of its keys beside the backbone
	// Detect reports whether its keys, the backbone's among them, are those of such a network.
	Detect func(*Keys) bool
	// Build adds the network on the backbone's feature maps and sets b.Graph.Outputs and
	// b.Info.Classes.
	Build func(b *Builder, maps []FeatureMap) error
	// Fit is how images become the input, as published.
	Fit preprocess.Fit
	// Size is the input's that is usual, rows and columns.
	Size [2]int

	Segmenter, Detector, SAM bool // which options it takes

	// Decoder finds the part that has no backbone: what stands before its keys, and a network whose
	// Whole builds it; nil where there is none. Other networks have no such part: Decoder is nil.
	Decoder func(*pytorch.StateDict) (prefix string, n *Network, err error)
}

// FeatureMap is an output of a backbone.
type FeatureMap struct {
	Value    *graph.Value
	Channels int
}

// What a segmenter gives.
const (
	SegmentClasses = "classes" // the class of every pixel, int64 N×1×H×W
	SegmentLogits  = "logits"  // N×C×H×W
	SegmentCoarse  = "coarse"  // logits as the head computes them, N×C×H/4×W/4
)

// Segments are the names of what a segmenter gives.
func Segments() []string { return []string{SegmentClasses, SegmentLogits, SegmentCoarse} }

// Detector says what a detector gives. What is nil or 0 is as the checkpoint's configuration says,
// else as published.
type Detector struct {
	Score   *float64 `json:"score,omitempty"` // probability above which a box is a detection: 0.05
	IoU     *float64 `json:"iou,omitempty"`   // overlap above which boxes of one class suppress each other: 0.5
	Most    int      `json:"most,omitempty"`  // detections of an image: 100
	NoMasks bool     `json:"no_masks,omitempty"`
	Raw     bool     `json:"raw,omitempty"` // gives the maps of the neck and of the region proposals instead
}

func (d Detector) zero() bool { return d == Detector{} }

// SAM says what of a promptable segmenter is built, and what it takes and gives. What is empty or 0
// is the first of the values that it may have.
type SAM struct {
	Part     string `json:"part,omitempty"`     // see [Parts]
	Input    string `json:"input,omitempty"`    // of the encoder: see [EncoderInputs]
	Outputs  string `json:"outputs,omitempty"`  // of the decoder: see [DecoderOutputs]
	Upsample string `json:"upsample,omitempty"` // how EdgeSAM joins its stages: see [Upsamplings]
	// Height and Width are those of images, of the inputs hwc and uint8; 0 for any.
	Height int `json:"height,omitempty"`
	Width  int `json:"width,omitempty"`
}

// Parts of a promptable segmenter.
const (
	PartEncoder = "encoder" // image → embedding
	PartDecoder = "decoder" // embedding and prompts → masks
)

// What an encoder takes.
const (
	InputNCHW  = "nchw"  // image 1×3×S×S, letterboxed and normalised → image_embeddings
	InputHWC   = "hwc"   // input_image h×w×3 of 0…255 → image_embeddings
	InputUint8 = "uint8" // input 1×3×h×w uint8 → output
)

// What a decoder gives.
const (
	OutputsSAM     = "sam"     // masks of the image's size, iou_predictions, low_res_masks: the best one
	OutputsLow     = "low"     // iou_predictions, low_res_masks: all
	OutputsEdgeSAM = "edgesam" // scores, masks: all
)

// How the last stage is joined to the one before.
const (
	UpsampleBicubic  = "bicubic"  // as PyTorch runs it
	UpsampleBilinear = "bilinear" // as EdgeSAM's ONNX and Core ML exports do
)

// SAMParts, EncoderInputs, DecoderOutputs and Upsamplings are what [SAM] may say, the default first.
func SAMParts() []string       { return []string{PartEncoder, PartDecoder} }
func EncoderInputs() []string  { return []string{InputNCHW, InputHWC, InputUint8} }
func DecoderOutputs() []string { return []string{OutputsSAM, OutputsLow, OutputsEdgeSAM} }
func Upsamplings() []string    { return []string{UpsampleBicubic, UpsampleBilinear} }

func (s SAM) zero() bool { return s == SAM{} }

// whole finds the network of which the backbone is a part; nil where it is none, or where the
// backbone alone is asked for.
func (b *Builder) findWhole(wholes []Whole) {
	if b.noHead() {
		return
	}
	of := map[string]*Keys{} // by what stands before them
	for i := range wholes {
		w := &wholes[i]
		root, below := strings.CutSuffix(b.sd.prefix, cmp.Or(w.Backbone, "backbone."))
		if below = below && (root == "" || strings.HasSuffix(root, ".")); !below && !w.Bare {
			continue
		}
		if of[root] == nil {
			of[root] = NewKeys(weights{b.sd.sd, root}.keys())
		}
		if !w.Detect(of[root]) {
			continue
		}
		b.whole, b.root, b.beside = w, root, of[root]
		if b.SizeUnsaid && (b.Height > 0 || w.Detector || w.SAM) {
			b.Height, b.Width = w.Size[0], w.Size[1]
		}
		return
	}
}

// Beside returns the name, for the Builder's methods, of a key of a whole network that is not one of
// its backbone's.
func (b *Builder) Beside(key string) string { return absolute + b.root + key }

// KeysBeside answers which such keys there are; the backbone's are among them.
func (b *Builder) KeysBeside() *Keys { return b.beside }

// outputsOfWhole builds the network around the backbone whose blocks have the outputs given.
func (b *Builder) outputsOfWhole(blocks []*graph.Value) error {
	w := b.whole
	switch {
	case b.doubt != "":
		return fmt.Errorf("%w: %s; say what they are", ErrStrides, b.doubt)
	case b.Softmax:
		return fmt.Errorf("%w: a %s gives no vectors of classes for Softmax", ErrOptions, w.Name)
	}
	if err := b.optionsFit(w.Segmenter, w.Detector, w.SAM, "a "+w.Name); err != nil {
		return err
	}
	taps, err := b.taps(len(blocks) - 1)
	if err != nil {
		return err
	}
	b.Info.Taps, b.Info.Whole = taps, w.Name
	var maps []FeatureMap
	for _, i := range taps.Blocks {
		maps = append(maps, FeatureMap{blocks[i], b.width(i)})
	}
	return w.Build(b, maps)
}

// optionsFit refuses options of other networks.
func (b *Builder) optionsFit(segmenter, detector, sam bool, what string) error {
	if b.Segment != "" && !segmenter {
		return fmt.Errorf("%w: found %s, expected a segmenter for %q as the output", ErrOptions, what, b.Segment)
	}
	if !b.Detector.zero() && !detector {
		return fmt.Errorf("%w: found %s, expected a detector for thresholds, numbers of detections or the choice of maps and masks", ErrOptions, what)
	}
	if !b.SAM.zero() && !sam {
		return fmt.Errorf("%w: found %s, expected a checkpoint of Segment Anything for the choice of part, layout, upsampling or size of images", ErrOptions, what)
	}
	return nil
}

// width returns the channels of the output of a block; block 0 is the stem.
func (b *Builder) width(block int) int {
	end := 0
	for _, s := range b.Info.Stages {
		if end += s.Blocks; block <= end {
			return s.Width
		}
	}
	return 0
}

// ConvBeside adds a convolution of an mmcv ConvModule beside the backbone: with bias, or with a
// BatchNorm behind it, and no activation.
func (b *Builder) ConvBeside(name, module string, x *graph.Value, c Conv) (*graph.Value, int, error) {
	module = b.Beside(module)
	if b.Has(module + ".bn.weight") {
		return b.ConvNorm(name, module, "conv", "bn", x, c)
	}
	return b.Conv(name, module+".conv", x, c)
}

// ClassNames are the names of n classes: what the options say, else the checkpoint, where the
// number is right.
func (b *Builder) ClassNames(n int) {
	switch {
	case b.Labels != nil || b.Stated.Classes == nil:
	case len(b.Stated.Classes) != n:
		b.Warn("%s names %d classes, and the network has %d: the names are left out", b.Stated.At["classes"], len(b.Stated.Classes), n)
	default:
		b.Labels = b.Stated.Classes
		if len(b.Stated.Palette) == n {
			b.palette = b.Stated.Palette
		}
	}
}

// fit is how images become the input of a whole network: as published, with the means and
// deviations that the configuration says.
func (m *Model) fit(b *Builder) (preprocess.Fit, error) {
	f := b.whole.Fit
	c := b.Stated.Config
	for _, at := range []string{"img_norm_cfg", "model.data_preprocessor", "data_preprocessor"} {
		mean, std := c.Numbers(at+".mean"), c.Numbers(at+".std")
		if mean == nil || std == nil {
			continue
		}
		if err := errors.Join(c.Want(at+".to_rgb", true), c.Want(at+".bgr_to_rgb", true)); err != nil {
			return f, First(err)
		}
		f.Mean, f.Std = scaledBy(mean, 1./255), scaledBy(std, 1./255)
		break
	}
	if p := b.Options.Preprocess; len(p.Mean) > 0 {
		f.Mean, f.Std = p.Mean, p.Std
	}
	if b.Height > 0 {
		f = f.Sized(b.Height, b.Width)
	}
	if slices.Equal(f.Mean, b.whole.Fit.Mean) && b.Height == 0 {
		return f, nil
	}
	return f, f.Validate()
}

// scaledBy multiplies, and rounds away what binary fractions add to decimal ones.
func scaledBy(v []float64, by float64) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(int64(x*by*1e9+0.5)) / 1e9
	}
	return out
}

// First returns the first of joined errors: an error is one line.
func First(err error) error {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		return j.Unwrap()[0]
	}
	return err
}

// LinearBeside adds a fully connected layer beside the backbone, with any number of outputs where
// out is 0, and returns that number.
func (b *Builder) LinearBeside(name, module string, x *graph.Value, in, out int) (*graph.Value, int, error) {
	key := b.Beside(module)
	if s := b.Shape(key + ".weight"); out == 0 && len(s) == 2 {
		out = s[0]
	}
	if out == 0 {
		out = -1
	}
	w, err := b.Weight(key+".weight", out, in)
	if err != nil {
		return nil, 0, err
	}
	bias, err := b.Weight(key+".bias", w.Const.Shape[0])
	if err != nil {
		return nil, 0, err
	}
	return b.Graph.Add(name, graph.Gemm{}, x, w, bias), w.Const.Shape[0], nil
}

// ConvTranspose adds the transposed convolution at a key, with bias, of n channels and a square
// kernel that is its stride.
func (b *Builder) ConvTranspose(name, key string, x *graph.Value, n, kernel int) (*graph.Value, int, error) {
	w, err := b.Weight(key+".weight", n, -1, kernel, kernel)
	if err != nil {
		return nil, 0, err
	}
	out := w.Const.Shape[1]
	bias, err := b.Weight(key+".bias", out)
	if err != nil {
		return nil, 0, err
	}
	return b.Graph.Add(name, graph.ConvTranspose{Strides: [2]int{kernel, kernel}, Group: 1}, x, w, bias), out, nil
}

// PassOver notes the keys of a part beside the backbone as known that is not built.
func (b *Builder) PassOver(scope string) {
	for _, k := range b.sd.sd.Keys() {
		if strings.HasPrefix(k, b.root+scope+".") {
			b.used[absolute+k] = true
		}
	}
}

// Root is what stands before the keys of a whole network.
func (b *Builder) Root() string { return b.root }

// Children returns the number of modules that a list of modules at a key has, from its keys: see
// [Keys.Count].
func (b *Builder) Children(list string) int { return NewKeys(b.sd.keys()).Count(list) }
