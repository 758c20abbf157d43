// Package convert is the conversion as a library: it reads a checkpoint, fuses it, makes it
// float16 or int8 where that is asked for, writes it, reads it back, proves that it computes
// what the checkpoint computes, and only then gives the file its name.
//
//	r, err := convert.File(ctx, "m1.pth", "m1.onnx", convert.Options{})
//	if err != nil {
//		return err
//	}
//	fmt.Println(r.Variant, r.Check.Compared, r.Check.MaxAbs)
//
// # Stability
//
// Within a major version, programs that use this package go on to compile and mean the same.
package convert

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/internal/format"
	"github.com/repvit-go/repvit/internal/images"
	"github.com/repvit-go/repvit/internal/load"
	"github.com/repvit-go/repvit/internal/outfile"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/onnx"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/pytorch"
	"github.com/repvit-go/repvit/quant"
	"github.com/repvit-go/repvit/reparam"
)

// Options say how a checkpoint is converted. The zero value fuses, proves, and writes float32
// for any batch size in the format that the output's extension names.
type Options struct {
	// Weights choose the state dict; its Networks are not used.
	Weights pytorch.Options
	// Model says what the network takes and gives. Where Height and Width are 0 they are those
	// of the Reference, else those that the checkpoint states, else 224; its Stated is not used.
	Model   model.Options
	AnySize bool // the input may have any size

	Format string // "onnx", "native", "tflite", "coreml" or "ncnn"; empty for that of the output's extension, else ONNX
	Opset  int    // of ONNX, 13 to 21; 0 for 17, or 20 with Int8

	NoFuse bool // keeps the training form
	Half   bool // float16 weights and compute; input and output stay float32
	Int8   *Int8
	// Of formats that compute in float16 and take images unless something else is asked for, which
	// is Core ML: float32, and a normalised tensor.
	Float32 bool
	Tensor  bool

	// Reference is what PyTorch computed; the proof holds the network against it.
	Reference *Reference
	// NoCheck leaves out the proof. A conversion that is not proven can be wrong.
	NoCheck bool

	Threads   int   // cores that are used; 0 for all
	MaxMemory int64 // bytes that a run may need; 0 for the default, see [infer.Options]
	Hash      bool  // fills [Output].SHA256

	// Progress, if set, is called from the caller's goroutine as stages go on: "read", those of
	// int8, "write", "prove". One that has no pieces begins with 0 of 1.
	Progress func(stage string, done, total int)
	// BeforeCommit, if set, is called before the file gets its name, which it does not get
	// where an error is returned. The graphs may be used until it returns.
	BeforeCommit func(*Result, Networks) error
}

// Int8 says how a network is quantized.
type Int8 struct {
	// Calibration is a folder of images or an .npy file of inputs, N×C×H×W. Without it ranges
	// follow from the checkpoint's BatchNorm statistics, which costs accuracy.
	Calibration string
	Samples     int // that are used at most, evenly spread; 0 for 256
	Scope       quant.Scope
	Method      quant.Method
	Symmetric   bool     // activations are int8 around zero, as TensorRT wants them; see [quant.Options]
	KeepFloat   int      // layers that stay in float, or [quant.KeepAuto]
	Keep        []string // layers and parts that stay in float besides, by name
	Sensitivity bool     // asks for the SQNR of every layer alone
	AcceptLoss  bool     // writes a network that int8 has ruined, too
	// IO makes input and outputs int8 as well, and all between integers; of formats that can, which is TFLite, with
	// the scope All.
	IO bool
}

// Networks are the stages of a conversion. Where a step was not asked for, a network is the
// one before.
type Networks struct {
	Training *graph.Graph // as it was read
	Deploy   *graph.Graph // fused, in float32
	Written  *graph.Graph // quantized, or in float16
}

// Result says what was converted into what. Encoded as JSON it is what the commands print.
type Result struct {
	Input      string        `json:"input"`
	Family     string        `json:"family,omitempty"` // "RepViT"; empty for a converted model
	Variant    string        `json:"variant"`
	Generation string        `json:"generation"`
	Classes    int           `json:"classes"`
	Distilled  bool          `json:"distilled"`
	Parameters int64         `json:"parameters"`
	MACs       int64         `json:"macs"`
	Head       string        `json:"head,omitempty"`       // where the logits come from, where it is not the network's own head
	Taps       *model.Taps   `json:"taps,omitempty"`       // blocks whose outputs are the feature maps
	StateDict  string        `json:"state_dict,omitempty"` // where in the file the weights are; empty for the file itself
	Warnings   []string      `json:"warnings,omitempty"`
	Notes      []string      `json:"notes,omitempty"`   // what was assumed or taken from the file by a rule
	Skipped    []string      `json:"skipped,omitempty"` // objects beside the weights
	Ignored    []string      `json:"ignored,omitempty"` // keys outside the network
	Check      *Check        `json:"check,omitempty"`   // nil where there was no proof
	Quant      *Quantization `json:"quant,omitempty"`   // nil where nothing was quantized
	Output     Output        `json:"output"`            // the file written, or the first
	Outputs    []Output      `json:"outputs,omitempty"` // the parts of a promptable segmenter
	Seconds    float64       `json:"seconds"`

	Averaged      string   `json:"-"` // a state dict of averaged weights that was not taken
	Stated        []string `json:"-"` // what was taken from the file's statements beside the tensors
	Height, Width int      `json:"-"` // of the input, for checks and calibration; 0 for any
}

// Output is a file that was written.
type Output struct {
	Part   string `json:"part,omitempty"` // of a promptable segmenter: see [model.SAM]
	Path   string `json:"path"`
	Format string `json:"format"`
	Opset  int    `json:"opset,omitempty"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256,omitempty"`
}

// ErrNoFeatures is of options that say which feature maps are given, of a network that gives
// something else.
var ErrNoFeatures = errors.New("the options say which feature maps are given, and the output is something else")

// ErrNoNormalization is of files that take images, made of one that does not say how they are normalised.
var ErrNoNormalization = errors.New("the file does not say how images are normalised, so the result can't do it; expected a normalised tensor as its input")

// Errors of formats that have one image as the input, and no operators for boxes.
var (
	ErrNotImage = fmt.Errorf("%w: expected a network that takes one image of a known size", graph.ErrUnsupported)
	ErrBoxes    = fmt.Errorf("%w: the format has no operators that choose boxes, expected a detector's maps", graph.ErrUnsupported)
)

// ErrConverted is of options about the reading of a checkpoint, for a file that is converted
// already.
var ErrConverted = errors.New("found a converted model, whose network is as it is; expected a checkpoint for the options given")

// File converts a checkpoint, or a converted file into another format, and writes it to
// output, "-" for standard output. The output appears whole or not at all, and is never an
// input.
//
// A promptable segmenter, of which no part was chosen, becomes two files, or none: those of [PartPath].
// The result then is that of the encoder, with parameters and operations of both.
//
// The error names the file and wraps what [pytorch.Open], package model and package quant
// answer, [ErrCheck], [ErrNotFinite], a [*LossError], a [*CalibrationError],
// [ErrNoFeatures], [ErrNoNormalization], [ErrNotImage], [ErrBoxes], [ErrConverted], [graph.ErrBudget] or an [*fs.PathError].
func File(ctx context.Context, checkpoint, output string, o Options) (*Result, error) {
	start := time.Now()
	f, err := o.format(output)
	if err != nil {
		return nil, err
	}
	o.Half = o.Half || f.Float16 && !o.Float32
	o.Model.Softmax = o.Model.Softmax || f.Classifies && o.Model.Labels != nil
	var written []outfile.Output
	for _, p := range f.Paths(output) {
		written = append(written, outfile.Output{Path: p, What: "the conversion of " + checkpoint})
	}
	if err := outfile.Check(o.inputs(checkpoint), written); err != nil {
		return nil, err
	}
	if o.Progress == nil {
		o.Progress = func(string, int, int) {}
	}
	o.Progress("read", 0, 1)
	in, err := load.Open(checkpoint, load.Options{Weights: o.Weights, Model: o.model, Hash: true})
	if err != nil {
		return nil, err
	}
	defer in.Close()
	jobs := []*job{{Options: o, f: f, in: in, r: &Result{Input: checkpoint}, path: output}}
	if in.Model != nil && len(in.Model.Info.Parts) == 2 && o.Model.SAM.Part == "" {
		decoder, err := jobs[0].split()
		if err != nil {
			return nil, err
		}
		defer decoder.in.Close()
		jobs = append(jobs, decoder)
	}
	var outs []*target
	for _, j := range jobs {
		out, err := j.run(ctx)
		if out != nil {
			defer out.discard()
		}
		if err != nil {
			return nil, err
		}
		outs = append(outs, out)
	}
	if len(jobs) == 2 && jobs[0].sample != nil {
		var err error
		if jobs[0].r.Quant.Clicks, err = clicks(ctx, jobs[0], jobs[1], jobs[0].sample); err != nil {
			return nil, fmt.Errorf("%s: clicks: %w", checkpoint, err)
		}
	}
	r := join(jobs)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if o.BeforeCommit != nil {
		if err := o.BeforeCommit(r, jobs[0].Networks); err != nil {
			return nil, err
		}
	}
	if err := commit(outs); err != nil {
		return nil, err
	}
	r.Seconds = time.Since(start).Seconds()
	return r, nil
}

// run makes the file, which has not got its name yet.
func (j *job) run(ctx context.Context) (*target, error) {
	if err := j.prepare(); err != nil {
		return nil, err
	}
	if err := j.convert(ctx); err != nil {
		return nil, err
	}
	j.in.Sign(j.Written)
	out, err := j.create()
	if err != nil {
		return nil, err
	}
	j.Progress("write", 0, 1)
	if err := j.write(out.writers(), j.path); err != nil {
		return out, fmt.Errorf("%s: %w", j.path, err)
	}
	if err := j.describe(); err != nil { // while the disk works
		return out, fmt.Errorf("%s: %w", j.in.Path, err)
	}
	if !j.NoCheck {
		j.Progress("prove", 0, 1)
		if j.r.Check, err = j.prove(ctx, out); err != nil {
			return out, fmt.Errorf("%s: %w", j.in.Path, err)
		}
	}
	return out, nil
}

// format returns that of the output.
func (o *Options) format(output string) (*format.Format, error) {
	f := format.For(output)
	if o.Format != "" {
		f = format.Named(o.Format)
	}
	switch {
	case f == nil && o.Format != "":
		return nil, fmt.Errorf("found format %q, expected %s", o.Format, format.List(format.Names()))
	case f == nil:
		return nil, fmt.Errorf("%s: found extension %q, expected %s, or a format", output, filepath.Ext(output), format.List(format.WrittenExtensions()))
	case o.Reference != nil && len(o.Reference.Input.Tensor.Shape) != 4:
		return nil, fmt.Errorf("%s: found an array of shape %v, expected N×C×H×W", o.Reference.InputName, o.Reference.Input.Tensor.Shape)
	case f.Fixed && (o.AnySize || o.Model.Batch > 1 || o.NoFuse):
		return nil, fmt.Errorf("found a free size, a batch, or the training form, expected one size, one image and the fused form for %s", f.Name)
	case !f.Float16 && o.Float32 || !f.Images && o.Tensor || o.Float32 && o.Half:
		return nil, fmt.Errorf("found float32 or a tensor as the input asked for where %s files have nothing else, or float32 and float16", f.Name)
	case o.Int8 != nil && o.Int8.Symmetric && f == format.NCNN:
		return nil, errors.New("found symmetric int8 asked for where ncnn's integers are symmetric in any case, expected it left out")
	case o.Int8 != nil && o.Int8.Scope == quant.Weights && !f.Weights:
		return nil, fmt.Errorf("found weights alone in int8 asked for where %s files have none of operators that compute in floats", f.Name)
	case o.Int8 != nil && o.Int8.IO && !f.Integers:
		return nil, fmt.Errorf("found int8 as input and output asked for where %s files have floats there", f.Name)
	case o.Int8 != nil && (o.Half && !f.Float16 || o.NoFuse):
		return nil, errors.New("int8 is made of fused float32 networks only")
	}
	return f, nil
}

// inputs are the files that are read.
func (o *Options) inputs(checkpoint string) []string {
	all := format.PathsOf(checkpoint)
	if o.Int8 == nil || o.Int8.Calibration == "" {
		return all
	}
	files, err := images.List(o.Int8.Calibration)
	if err != nil {
		return append(all, o.Int8.Calibration) // an array; whoever reads it says what is wrong
	}
	return append(all, files...)
}

// model returns what the graph takes and gives, for a checkpoint that states what is given.
func (o *Options) model(stated model.Stated) model.Options {
	m := o.Model
	switch {
	case o.AnySize || m.Height != 0 || m.Width != 0:
	case o.Reference != nil:
		m.Height, m.Width = o.Reference.Input.Tensor.Shape[2], o.Reference.Input.Tensor.Shape[3]
	default:
		m.SizeUnsaid = stated.Preprocess.Height == 0
		m.Height, m.Width = cmp.Or(stated.Preprocess.Height, 224), cmp.Or(stated.Preprocess.Width, 224)
	}
	return m
}

// job is one conversion.
type job struct {
	Options
	Networks
	f      *format.Format
	in     *load.File
	path   string // of the output
	r      *Result
	images preprocess.Config // how images become inputs
	sample *graph.Tensor     // one of those that int8 was calibrated on
}

// prepare holds the options against the file, and says what was taken from it by a rule, or
// for lack of a statement.
func (j *job) prepare() (err error) {
	in, r := j.in, j.r
	if in.Model == nil && j.ofCheckpoints() {
		return fmt.Errorf("%s: %w", in.Path, ErrConverted)
	}
	if taps := j.Model.Taps; in.Model != nil && (taps.Rule != "" || taps.Blocks != nil) && (in.Model.Info.Taps.Rule == "" || in.Model.Info.Whole != "") {
		return fmt.Errorf("%s: %w", in.Path, ErrNoFeatures)
	}
	if j.images, err = in.Preprocess(); err != nil {
		return err
	}
	if j.f.Images && !j.Tensor && j.images.Mean == nil {
		return fmt.Errorf("%s: %w", in.Path, ErrNoNormalization)
	}
	r.Height, r.Width = j.images.Height, j.images.Width
	j.Training = in.Graph
	if j.f.Fixed {
		if j.Training, err = fixed(in.Graph); err != nil {
			return fmt.Errorf("%s: %w", in.Path, err)
		}
	}
	if m := in.Model; m != nil {
		r.Warnings, r.Notes, r.Head, r.Stated = slices.Clone(m.Warnings), slices.Clone(m.Notes), m.Info.Head, m.Stated
		if m.Info.Taps.Rule != "" {
			r.Taps = &m.Info.Taps
			r.Notes = append(r.Notes, fmt.Sprintf("feature maps are the outputs of blocks %s (%s)", strings.Trim(fmt.Sprint(m.Info.Taps.Blocks), "[]"), m.Info.Taps.Rule))
		}
		if r.StateDict = in.State.Name(); r.StateDict != "" {
			r.Notes = append(r.Notes, fmt.Sprintf("weights under %q", r.StateDict))
		}
		if !in.State.Averaged() {
			if i := slices.IndexFunc(in.Networks(), (*pytorch.StateDict).Averaged); i >= 0 {
				r.Averaged = in.Networks()[i].Name()
			}
		}
		r.Skipped = in.Checkpoint.Skipped()
	}
	if say := j.f.Normalization; say != nil && len(j.images.Mean) > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%s files do not say how images are normalised; %s", j.f.Name, say(j.images.Mean, j.images.Std)))
	}
	return nil
}

// ofCheckpoints reports whether there are options that mean something for checkpoints only.
func (j *job) ofCheckpoints() bool {
	m := j.Model
	return j.Weights.Key != "" || j.Weights.EMA || j.AnySize || m.Batch != 0 || m.Height != 0 || m.Width != 0 || m.Features || m.Embedding || m.Softmax || m.Labels != nil ||
		m.Preprocess.CropPct != 0 || m.Preprocess.Mean != nil || m.Preprocess.Std != nil || m.Preprocess.Interpolation != "" ||
		m.BNEpsilon != 0 || m.Strides != nil || m.Taps.Rule != "" || m.Taps.Blocks != nil || m.IgnoreHead || m.Segment != "" || m.Detector != model.Detector{} || m.SAM != model.SAM{}
}

// convert makes the networks.
func (j *job) convert(ctx context.Context) (err error) {
	j.Deploy = j.Training
	if !j.NoFuse {
		j.Deploy = reparam.Fuse(j.Training)
	}
	if _, ok := j.Deploy.Metadata[model.MetaIntegers]; ok { // of the file that is converted, not of what is made of it
		j.Deploy = j.Deploy.Clone()
		j.Deploy.Metadata = maps.Clone(j.Deploy.Metadata)
		delete(j.Deploy.Metadata, model.MetaIntegers)
	}
	j.Written = j.Deploy
	if j.Int8 != nil {
		if j.Written, err = j.quantize(ctx); err != nil {
			return fmt.Errorf("%s: %w", j.in.Path, err)
		}
		if j.Written.Metadata == nil { // of an ONNX file that has none
			j.Written.Metadata = map[string]string{}
		}
		if j.f.Int8 != "" && j.Int8.Scope != quant.Weights {
			j.r.Quant.InFile = "in " + j.f.Name + " files " + j.f.Int8
			j.r.Quant.Scheme += "; " + j.r.Quant.InFile
		}
		if kept := j.r.Quant.KeptFloat; len(kept) > 0 {
			text, err := json.Marshal(kept)
			if err != nil {
				return err
			}
			j.Written.Metadata[model.MetaKeptFloat] = string(text)
		}
		if j.Int8.IO {
			said := integers(j.Written)
			j.r.Notes = append(j.r.Notes, said)
			j.Written.Metadata[model.MetaIntegers] = said
		}
		j.Written.Metadata[model.MetaQuantization] = j.r.Quant.Scheme
		if j.f.Float16 {
			j.Written = quant.FloatBiases(j.Written)
		}
	}
	if j.Half && !j.f.Half {
		j.Written = quant.Half(j.Written)
	}
	return nil
}

// fixed returns a network that takes one image, of a size that it says.
func fixed(g *graph.Graph) (*graph.Graph, error) {
	g = g.Clone()
	for _, v := range g.Inputs {
		t := *v.Type
		t.Shape = slices.Clone(t.Shape)
		if len(t.Shape) > 0 && !t.Shape[0].Known() {
			t.Shape[0] = graph.Fixed(1)
		}
		if dims, ok := t.Shape.Ints(); !ok || dims[0] != 1 {
			return nil, fmt.Errorf("%w, found an input of %v", ErrNotImage, v.Type.Shape)
		}
		v.Type = &t
	}
	for _, n := range g.Nodes {
		if n.Is(graph.Coordinates) {
			return nil, fmt.Errorf("%w, found %s", ErrBoxes, n.Op.Kind())
		}
	}
	return g, nil
}

// quantOpset is the default for int8: the first with the Gelu operator, which runtimes keep
// in int8 where it stands between quantized layers.
const quantOpset = 20

// write writes the network and says what was written.
func (j *job) write(w []io.Writer, path string) error {
	out := Output{Part: j.part(), Path: path, Format: j.f.Name}
	count := &counter{}
	if j.Hash {
		count.sum = sha256.New()
	}
	for i := range w {
		w[i] = count.of(w[i])
	}
	if j.f.Opset {
		out.Opset = cmp.Or(j.Opset, onnx.DefaultOpset)
		if j.Opset == 0 && j.Int8 != nil {
			out.Opset = quantOpset
		}
	}
	o := format.Options{Opset: out.Opset, Half: j.Half, Integers: j.Int8 != nil && j.Int8.IO, Mean: j.images.Mean, Std: j.images.Std, Image: j.f.Images && !j.Tensor, Classifier: j.Model.Labels != nil}
	err := error(nil)
	if o.Labels, err = infer.Labels(j.Written); err != nil {
		return err
	}
	err = j.f.Encode(w, j.Written, o)
	out.Bytes = count.n
	if count.sum != nil {
		out.SHA256 = hex.EncodeToString(count.sum.Sum(nil))
	}
	j.r.Output = out
	return err
}

// counter counts and hashes what passes through.
type counter struct {
	n   int64
	sum hash.Hash // nil for none
}

// of returns a writer that counts what is written.
func (c *counter) of(w io.Writer) io.Writer { return counted{c, w} }

type counted struct {
	c *counter
	w io.Writer
}

func (c counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.c.n += int64(n)
	if c.c.sum != nil {
		c.c.sum.Write(p[:n])
	}
	return n, err
}

// describe says what the network is and costs.
func (j *job) describe() error {
	r, info := j.r, model.InfoOf(j.Deploy)
	if j.in.Model != nil {
		info = j.in.Model.Info
		r.Ignored = j.in.Model.Ignored
	}
	r.Family, r.Variant, r.Generation, r.Classes, r.Distilled = info.Family, info.Variant, info.Generation, info.Classes, info.Distilled
	r.Parameters = j.Deploy.Parameters()
	parts, err := model.Parts(j.Deploy, r.Height, r.Width)
	if err != nil {
		return err
	}
	for _, p := range parts {
		r.MACs += p.MACs
	}
	return nil
}

// engine is what networks of the conversion are run with.
func (o *Options) engine() infer.Options {
	return infer.Options{Threads: o.Threads, MaxMemory: o.MaxMemory}
}
