package model

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/pytorch"
)

// batchNormEpsilon is PyTorch's default, which every published RepViT was trained with.
const batchNormEpsilon = 1e-5

// Options say what the graph takes and gives, and what the tensors of a state dict cannot
// say. The zero value is a classifier for any batch size and any resolution, as published.
type Options struct {
	Batch         int  // images in a batch; 0 for any number
	Height, Width int  // of the input in pixels; 0 for any
	SizeUnsaid    bool // nobody asked for that size: segmenters and detectors take their own in its place
	Features      bool // outputs feature maps instead of logits; see Taps
	Embedding     bool // outputs the pooled features, N×C, instead of logits
	Softmax       bool // appends Softmax to the logits
	Labels        []string
	// Preprocess is stored with the model, for the number of channels that it takes. What it
	// leaves out (zero values) is as the checkpoint says, else as the network was published.
	Preprocess preprocess.Config

	BNEpsilon  float64  // of all BatchNorms; 0 for what the file says, else 1e-5
	Strides    [][2]int // rows and columns of each downsampling; nil for what the file says, else 2 (see Build)
	Taps       Taps     // which blocks Features gives; the zero value for the rule that fits the file
	IgnoreHead bool     // passes over heads beside the network

	Segment  string   // what a segmenter gives, [SegmentClasses] where it is empty
	Detector Detector // what a detector gives
	SAM      SAM      // what of a promptable segmenter is built

	// Stated is what the checkpoint says beside its tensors: see [StatedBy].
	Stated Stated
}

// Model is a network in its training form and what was read off its state dict.
type Model struct {
	Graph    *graph.Graph
	Info     Info
	Ignored  []string // keys outside the network, in the state dict's order
	Warnings []string // what no published network has, or had to be assumed
	Notes    []string // what was taken from the file by a rule
	Stated   []string // what was taken from the file's statements beside the tensors
}

// Build returns the network that a state dict holds, of one of the families given; package
// family has the list of all. The input is "input", N×3×H×W float32; the outputs are
// "logits", N×classes, or with Features "stage1", "stage2", … with strides 4, 8, 16, 32, or
// with Embedding "embedding", N×C. A network without any head gives its features. Where the
// network is the backbone of one of the wholes given, that is built and gives what its package says. Float32
// weights are views of the file, which must stay open. The network may be a part of a larger
// one, its keys below a common prefix ("backbone.").
//
// What the file of a whole module states (epsilon, strides, padding, activations, order) is
// built or refused. What a plain state dict cannot state is as in the published networks, or
// as the options say. Strides are those of the stages' first blocks, or, for RepViT, two more:
// those of the stem's two convolutions before them. The last stage of a SAM encoder without
// fused stages has stride 1, which nothing but its neck tells.
//
// The error wraps [ErrFamily], a [*KeyError] that names a missing, misshaped or unexpected
// key, or a [*KeysError] of several, a [*ModuleError] that names a module that computes something else, or a
// [*ValueError] that names a tensor with elements that are not finite or with negative
// variances.
func Build(sd *pytorch.StateDict, opts Options, families []Family, wholes []Whole) (*Model, error) {
	w, n, err := find(sd, opts, families, wholes)
	if err != nil {
		return nil, err
	}
	keys := w.keys()
	b := &Builder{Options: opts, Graph: &graph.Graph{Metadata: map[string]string{}}, sd: w, net: n, families: families,
		used: make(map[string]bool, len(keys)), weights: make(map[string]*graph.Value, len(keys)), loaded: make([]loaded, 0, len(keys)), seen: map[string]bool{}, m: &Model{}}
	m := b.m
	m.Graph, b.Info = b.Graph, &m.Info
	m.Info.Family, m.Info.Naming = n.Family, n.Naming
	if n.Whole == nil {
		b.findWhole(wholes)
	}
	if m.Ignored, err = b.keysFit(b.network()); err != nil {
		return nil, w.inFile(err)
	}
	if err := checkAll(b.loaded); err != nil {
		return nil, w.inFile(err)
	}
	if err := b.unknownModules(); err != nil {
		return nil, err
	}
	m.Info.Variant = n.Variant(&m.Info)
	if b.whole != nil {
		m.Info.Variant += " " + b.whole.Name
	}
	m.Graph.Name = m.Info.Variant
	b.unusual()
	if err := m.metadata(b, n); err != nil {
		return nil, err
	}
	if err := m.Graph.Validate(); err != nil {
		return nil, err
	}
	m.Graph.Prune()
	return m, nil
}

// find returns what of a state dict is built, a backbone and what is around it or a part that has none.
func find(sd *pytorch.StateDict, opts Options, families []Family, wholes []Whole) (weights, *Network, error) {
	w, err := locate(sd, families)
	var n *Network
	if err == nil {
		n, err = detect(w.keys(), func(key string) []int {
			t, ok := w.get(key)
			if !ok {
				return nil
			}
			return t.Shape
		}, families)
	}
	if err == nil && opts.SAM.Part != PartDecoder {
		return w, n, nil
	}
	for _, whole := range wholes {
		if whole.Decoder == nil {
			continue
		}
		prefix, d, wrong := whole.Decoder(sd)
		switch {
		case wrong != nil:
			return w, nil, wrong
		case d == nil:
		case opts.SAM.Part == PartDecoder, !slices.ContainsFunc(sd.Keys(), func(k string) bool { return strings.HasPrefix(k, prefix+whole.Backbone) }):
			return weights{sd, prefix}, d, nil
		default:
			return w, nil, fmt.Errorf("%w: found a decoder of Segment Anything, whose image encoder is not a RepViT: %w", ErrEncoder, err)
		}
	}
	if err == nil {
		err = fmt.Errorf("%w: found no decoder of Segment Anything, expected keys of prompt_encoder and mask_decoder", ErrFamily)
	}
	return w, nil, err
}

// Metadata keys of a graph that Build returns.
const (
	MetaVariant    = "repvit.variant"
	MetaGeneration = "repvit.generation"
	MetaClasses    = "repvit.classes"
	MetaDistilled  = "repvit.distilled"
	MetaLabels     = "repvit.labels"     // JSON array of strings
	MetaPreprocess = "repvit.preprocess" // JSON of a preprocess.Config or preprocess.Fit
	MetaPalette    = "repvit.palette"    // JSON array of the classes' colours, [red, green, blue]
	MetaWhole      = "repvit.whole"      // of what network the backbone is a part, "Semantic FPN"
	MetaTaps       = "repvit.taps"       // rule and blocks of feature maps, "timm: 2 6 20 24"
	MetaEpsilon    = "repvit.bn_epsilon" // of the BatchNorms, where it is not 1e-5
	MetaHead       = "repvit.head"       // where the logits come from, where it is not the network's own head
	MetaWarnings   = "repvit.warnings"   // JSON array of strings
	MetaReading    = "repvit.reading"    // JSON of a Reading, where it is not the zero value

	// Where a converted file comes from.
	MetaSource       = "repvit.source"        // name of the checkpoint, without folders
	MetaSourceSHA256 = "repvit.source_sha256" // of its bytes
	MetaStateDict    = "repvit.state_dict"    // where in it the weights were
	MetaVersion      = "repvit.version"       // of the converter
	MetaQuantization = "repvit.quantization"  // scheme of an int8 file
	MetaKeptFloat    = "repvit.kept_float"    // its layers in float that the scheme is for, JSON array of strings
	MetaIntegers     = "repvit.integers"      // what input and outputs stand for that are int8 in the file
)

func (m *Model) metadata(b *Builder, n *Network) error {
	meta, opts := m.Graph.Metadata, b.Options
	meta[MetaVariant] = m.Info.Variant
	meta[MetaGeneration] = m.Info.Generation
	meta[MetaClasses] = fmt.Sprint(m.Info.Classes)
	meta[MetaDistilled] = fmt.Sprint(m.Info.Distilled)
	for key, text := range map[string]string{MetaTaps: m.Info.Taps.String(), MetaHead: m.Info.Head, MetaWhole: m.Info.Whole} {
		if text != "" {
			meta[key] = text
		}
	}
	if m.Info.BNEpsilon != batchNormEpsilon {
		meta[MetaEpsilon] = fmt.Sprint(m.Info.BNEpsilon)
	}
	put := func(key string, v any) error {
		text, err := json.Marshal(v)
		if err == nil {
			meta[key] = string(text)
		}
		return err
	}
	if r := opts.reading(m); !r.zero() {
		if err := put(MetaReading, r); err != nil {
			return err
		}
	}
	if opts.Labels != nil {
		if m.Info.Classes == 0 {
			return fmt.Errorf("%w: found %d labels, expected none: the outputs have no classes", ErrLabels, len(opts.Labels))
		}
		if len(opts.Labels) != m.Info.Classes {
			return fmt.Errorf("%w: found %d labels, expected one for each of %d classes", ErrLabels, len(opts.Labels), m.Info.Classes)
		}
		if err := put(MetaLabels, opts.Labels); err != nil {
			return err
		}
	}
	if len(m.Warnings) > 0 {
		if err := put(MetaWarnings, m.Warnings); err != nil {
			return err
		}
	}
	if b.palette != nil {
		if err := put(MetaPalette, b.palette); err != nil {
			return err
		}
	}
	if n.Whole != nil || b.whole != nil && b.whole.SAM && b.SAM.Input != "" && b.SAM.Input != InputNCHW {
		return nil // it takes no image, or prepares it itself
	}
	if b.whole != nil {
		f, err := m.fit(b)
		if err != nil {
			return err
		}
		return put(MetaPreprocess, f)
	}
	p, err := m.preprocessing(opts, n)
	if err != nil || p.Height == 0 {
		return err
	}
	return put(MetaPreprocess, p)
}

// preprocessing is what the options say, then what the checkpoint says, then what the network
// was published with. It is zero for a network of other than three channels of which nothing
// says how images become its input.
func (m *Model) preprocessing(opts Options, n *Network) (preprocess.Config, error) {
	p := preprocess.ImageNet(cmp.Or(opts.Height, 224), cmp.Or(opts.Width, 224), n.CropPct)
	p.Mean, p.Std = nil, nil // ImageNet's are for three channels
	stated := opts.Stated
	for _, s := range []struct {
		field, text string
		said        bool
	}{
		{"size", fmt.Sprintf("input size %d×%d", stated.Preprocess.Height, stated.Preprocess.Width), opts.Preprocess.Height != 0},
		{"crop_pct", fmt.Sprintf("crop_pct %v", stated.Preprocess.CropPct), opts.Preprocess.CropPct != 0},
		{"mean", fmt.Sprintf("mean %v and std %v", stated.Preprocess.Mean, stated.Preprocess.Std), len(opts.Preprocess.Mean) > 0},
		{"interpolation", stated.Preprocess.Interpolation + " interpolation", opts.Preprocess.Interpolation != ""},
	} {
		if at := stated.At[s.field]; at != "" && !s.said {
			m.Stated = append(m.Stated, fmt.Sprintf("%s, as %s says", s.text, at))
		}
	}
	if n.CropPct != 0.875 && stated.At["crop_pct"] == "" && opts.Preprocess.CropPct == 0 {
		m.Stated = append(m.Stated, fmt.Sprintf("crop_pct %v, as %s is evaluated with %s's names", n.CropPct, n.Family, n.Naming))
	}
	p = p.With(stated.Preprocess).With(opts.Preprocess)
	channels := m.Graph.Inputs[0].Type.Shape[1].Size
	if channels != 3 && len(p.Mean) == 0 && len(p.Std) == 0 {
		return preprocess.Config{}, nil
	}
	return p.For(channels)
}
