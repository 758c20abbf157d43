package convertcmd

import (
	"cmp"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"github.com/repvit-go/repvit/convert"
	"github.com/repvit-go/repvit/internal/cli"
	"github.com/repvit-go/repvit/internal/format"
	"github.com/repvit-go/repvit/internal/outfile"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/onnx"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/quant"
)

// config is what the flags say.
type config struct {
	options           convert.Options // but for labels and what is told of the run
	output, outputDir string
	name              string            // template of outputs' names; empty for the checkpoints'
	inside            map[string]string // folders below outputDir, by checkpoint, of those found in subfolders
	format            *format.Format    // nil where the extension says it
	checkpointOnly    []string          // flags that were given and mean something for checkpoints only
	labels            string
	program           string // its name, for messages
	json, quiet       bool
	progress          bool // in lines
	report            string
	inputs            []string       // files that are read
	sameName          map[string]int // checkpoints of the run by their names without extensions
}

const description = `Reads a RepViT checkpoint as PyTorch wrote it, without running anything in it,
fuses its branches, proves that nothing was lost and writes the result.

Examples:
  repvit-convert m1.pth -o m1.onnx                  ONNX for any batch size
  repvit-convert m1.pth -o m1.safetensors           native format for Go services
  repvit-convert m1.pth -o m1.onnx --labels imagenet.txt
  repvit-convert m1.pth --quant int8 --calib images/ -o m1.int8.onnx
  repvit-convert *.pth --output-dir out/            many at once
  repvit-convert runs/ --output-dir out/ --name {name}.tflite
  repvit-convert inspect m1.pth                     what the file holds`

// Choices are what flags may be, for completion.
func Choices() map[string][]string {
	return map[string][]string{
		"format":          format.Names(),
		"segment":         model.Segments(),
		"part":            model.SAMParts(),
		"encoder-input":   model.EncoderInputs(),
		"decoder-outputs": model.DecoderOutputs(),
		"upsample":        model.Upsamplings(),
		"quant":           {"int8"},
		"int8-scope":      {string(quant.Pointwise), string(quant.All), string(quant.Weights)},
		"calib-method":    methods(),
		"size":            {"dynamic"},
		"interpolation":   preprocess.Interpolations(),
		"keep-float":      {"auto"},
		"key":             {},
		"coreml-input":    {coremlImage, coremlTensor},
	}
}

// What a Core ML package can take.
const (
	coremlImage  = "image"
	coremlTensor = "tensor"
)

func flags() []urfave.Flag {
	return slices.Concat([]urfave.Flag{
		&urfave.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "`FILE` in its extension's format; - is stdout", DefaultText: "CHECKPOINT.onnx"},
		&urfave.StringFlag{Name: "output-dir", Usage: "write into `DIR`, made if need be, by the checkpoints' names and folders"},
		&urfave.StringFlag{Name: "name", DefaultText: namePlace, Usage: "`TEMPLATE` of outputs' names: {name}-int8, {name}.tflite"},
		&urfave.StringFlag{Name: "format", Usage: "`FORMAT` whatever the extension: " + format.List(format.Names())},
		&urfave.IntFlag{Name: "opset", Usage: "ONNX opset `N`, 13 to 21", DefaultText: "17; 20 with --quant"},
		&urfave.StringFlag{Name: "size", DefaultText: "the checkpoint's, else 224", Usage: "input resolution `N`, HxW or dynamic"},
		&urfave.IntFlag{Name: "batch", Usage: "fixed batch size `N`", DefaultText: "any"},
		&urfave.BoolFlag{Name: "features", Usage: "output the four stages' feature maps instead of logits"},
		&urfave.StringFlag{Name: "taps", DefaultText: "by the file", Usage: "`BLOCKS` of --features: ends, timm or I,J,K,L"},
		&urfave.StringFlag{Name: "segment", DefaultText: model.SegmentClasses, Usage: "`WHAT` a segmenter gives: " + format.List(model.Segments())},
		&urfave.Float64Flag{Name: "score-threshold", DefaultText: "the file's, else 0.05", Usage: "a box is a detection above probability `P`"},
		&urfave.Float64Flag{Name: "iou-threshold", DefaultText: "the file's, else 0.5", Usage: "boxes suppress each other above overlap `P`"},
		&urfave.IntFlag{Name: "max-detections", DefaultText: "the file's, else 100", Usage: "at most `N` detections of an image"},
		&urfave.BoolFlag{Name: "no-masks", Usage: "a detector's boxes without masks"},
		&urfave.BoolFlag{Name: "raw", Usage: "a detector's maps of neck and region proposals, for accelerators"},
		&urfave.StringFlag{Name: "part", DefaultText: "both, two files", Usage: "`PART` of Segment Anything: " + format.List(model.SAMParts())},
		&urfave.StringFlag{Name: "encoder-input", DefaultText: model.InputNCHW, Usage: "`LAYOUT` of what the encoder takes: " + format.List(model.EncoderInputs())},
		&urfave.StringFlag{Name: "image-size", DefaultText: "any", Usage: "size `HxW` of images for the layouts hwc and uint8"},
		&urfave.StringFlag{Name: "decoder-outputs", DefaultText: model.OutputsSAM, Usage: "`WHAT` the decoder gives: " + format.List(model.DecoderOutputs())},
		&urfave.StringFlag{Name: "upsample", DefaultText: model.UpsampleBicubic, Usage: "`HOW` EdgeSAM joins its stages: " + format.List(model.Upsamplings())},
		&urfave.BoolFlag{Name: "embedding", Usage: "output the pooled features instead of logits"},
		&urfave.BoolFlag{Name: "ignore-head", Usage: "pass over a head that stands beside the network"},
		&urfave.Float64Flag{Name: "bn-eps", DefaultText: "1e-5", Usage: "`EPS` of all BatchNorms, which a state dict does not say"},
		&urfave.StringFlag{Name: "strides", DefaultText: "2", Usage: "`LIST` of the downsamplings' strides, N or HxW each: 2,2x1,2"},
		&urfave.BoolFlag{Name: "half", Usage: "float16 weights and compute; input and output stay float32"},
		&urfave.BoolFlag{Name: "float32", Usage: "Core ML: compute in float32 instead of float16"},
		&urfave.StringFlag{Name: "coreml-input", Usage: "`INPUT` of Core ML: image, 0…255, or tensor, normalised", DefaultText: coremlImage},
		&urfave.BoolFlag{Name: "softmax", Usage: "append Softmax"},
	}, cli.WeightFlags("convert the averaged weights (model_ema and the like)", "`NAME` of the state dict, or prefix of names, in files that hold several"), []urfave.Flag{
		&urfave.StringFlag{Name: "labels", TakesFile: true, Usage: "`FILE` with one class name a line, stored in the model"},
		&urfave.StringFlag{Name: "quant", Usage: "make the network `TYPE`: int8"},
		&urfave.StringFlag{Name: "int8-scope", Value: string(quant.Pointwise), DefaultText: string(quant.Pointwise), Usage: "`SCOPE`: pointwise (1×1), all, or weights (Core ML)"},
		&urfave.BoolFlag{Name: "int8-io", Usage: "TFLite: int8 input and output too, integers alone, for NPUs"},
		&urfave.StringFlag{Name: "calib", TakesFile: true, Usage: "calibrate on images in `DIR`, or FILE.npy: N×3×H×W float32, normalised"},
		&urfave.IntFlag{Name: "calib-samples", Value: 256, Usage: "use at most `N` of them, evenly spread"},
		&urfave.StringFlag{Name: "calib-method", Value: string(quant.DefaultMethod), DefaultText: string(quant.DefaultMethod), Usage: "range `METHOD`: minmax, percentile, mse or entropy"},
		&urfave.BoolFlag{Name: "int8-symmetric", Usage: "zero point 0 for activations too, as TensorRT and NPUs want it"},
		&urfave.StringFlag{Name: "keep-float", DefaultText: "none", Usage: "layers that stay in float: `NAME,…`, the N worst, or auto"},
		&urfave.BoolFlag{Name: "accept-loss", Usage: "write an int8 network even if it is unusable"},
		&urfave.Float64Flag{Name: "crop-pct", DefaultText: "0.875, timm 0.95", Usage: "resize the short side to int(size/`F`), crop"},
	}, cli.PreprocessFlags("ImageNet's", "ImageNet's", preprocess.Bicubic), []urfave.Flag{
		&urfave.BoolFlag{Name: "no-fuse", Usage: "keep the training form"},
		&urfave.StringFlag{Name: "input", TakesFile: true, Usage: "an input in `FILE`.npy, N×3×H×W, for --expect"},
		&urfave.StringFlag{Name: "expect", TakesFile: true, Usage: "what PyTorch computed for it: `FILE`.npy, or .npz by the outputs' names"},
		&urfave.BoolFlag{Name: "no-check", Usage: "skip the proof that the output computes what the checkpoint does"},
		cli.ReportFlag(),
		cli.ProgressFlag(),
	}, cli.EngineFlags(), cli.OutputFlags())
}

func action(c *urfave.Context) error {
	cfg, err := parse(c)
	if err != nil {
		return err
	}
	return convertAll(c, cfg)
}

func newApp() *urfave.App {
	return &urfave.App{
		Name:        "repvit-convert",
		Usage:       "trained RepViT checkpoints to ONNX, TFLite, Core ML, ncnn or the native format",
		UsageText:   "repvit-convert [flags] CHECKPOINT...\nrepvit-convert inspect [--json] FILE...",
		Description: description,
		Version:     cli.Version(),
		Metadata:    map[string]any{cli.Choices: Choices(), cli.Failure: cli.StatusDiffers},
		Flags:       flags(),
		Action:      action,
		Commands:    []*urfave.Command{inspectCommand()},
	}
}

// Commands are the command and its subcommands, for a program that has others beside them.
func Commands() []*urfave.Command {
	names := strings.NewReplacer("repvit-convert inspect", "repvit inspect", "repvit-convert", "repvit convert")
	return []*urfave.Command{
		{Name: "convert", Usage: "turn trained checkpoints into ONNX, TFLite, Core ML, ncnn or the native format", ArgsUsage: "CHECKPOINT...", Description: names.Replace(description), Flags: flags(), Action: action},
		inspectCommand(),
	}
}

// methods are the values of --calib-method.
func methods() (names []string) {
	for _, m := range quant.Methods() {
		names = append(names, string(m))
	}
	return names
}

func parse(c *urfave.Context) (*config, error) {
	cfg := &config{
		output: c.String("output"), outputDir: c.String("output-dir"), name: c.String("name"), format: format.Named(c.String("format")), labels: c.String("labels"),
		program: c.App.Name, json: c.Bool("json"), quiet: c.Bool("quiet"), progress: c.Bool("progress"), report: c.String("report"), inputs: cli.Inputs(c),
		options: convert.Options{
			Model: model.Options{Batch: c.Int("batch"), Features: c.Bool("features"), Embedding: c.Bool("embedding"), Softmax: c.Bool("softmax"),
				BNEpsilon: c.Float64("bn-eps"), IgnoreHead: c.Bool("ignore-head"), Segment: c.String("segment"),
				Detector: model.Detector{Score: share(c, "score-threshold"), IoU: share(c, "iou-threshold"), Most: c.Int("max-detections"), NoMasks: c.Bool("no-masks"), Raw: c.Bool("raw")},
				SAM:      model.SAM{Part: c.String("part"), Input: c.String("encoder-input"), Outputs: c.String("decoder-outputs"), Upsample: c.String("upsample")}},
			Format: c.String("format"), Opset: c.Int("opset"),
			NoFuse: c.Bool("no-fuse"), Half: c.Bool("half"), Float32: c.Bool("float32"), Tensor: c.String("coreml-input") == coremlTensor, NoCheck: c.Bool("no-check"), Hash: c.Bool("json"),
		},
	}
	o := &cfg.options
	var err error
	if o.Threads, o.MaxMemory, err = cli.Engine(c); err != nil {
		return nil, err
	}
	if o.Weights, err = cli.Weights(c); err != nil {
		return nil, err
	}
	if c.IsSet("size") {
		if o.Model.Height, o.Model.Width, err = cli.ParseSize(c.String("size")); err != nil {
			return nil, err
		}
		o.AnySize = o.Model.Height == 0
	}
	if c.IsSet("image-size") {
		if o.Model.SAM.Height, o.Model.SAM.Width, err = cli.ParseSize(c.String("image-size")); err != nil {
			return nil, err
		}
	}
	if o.Model.Strides, err = parseStrides(c.String("strides")); err != nil {
		return nil, err
	}
	if o.Model.Taps, err = parseTaps(c.String("taps")); err != nil {
		return nil, err
	}
	for _, name := range []string{"size", "batch", "features", "taps", "segment", "score-threshold", "iou-threshold", "max-detections", "no-masks", "raw", "part", "encoder-input", "image-size", "decoder-outputs", "upsample", "embedding", "ignore-head", "bn-eps", "strides", "softmax", "ema", "key", "labels", "crop-pct", "mean", "std", "interpolation"} {
		if c.IsSet(name) {
			cfg.checkpointOnly = append(cfg.checkpointOnly, "--"+name)
		}
	}
	int8 := convert.Int8{Calibration: c.String("calib"), Samples: c.Int("calib-samples"), AcceptLoss: c.Bool("accept-loss"), IO: c.Bool("int8-io"), Sensitivity: cfg.report != "", Symmetric: c.Bool("int8-symmetric")}
	if int8.Scope, err = quant.ParseScope(c.String("int8-scope")); err != nil {
		return nil, cli.Usagef("--int8-scope: %w", err)
	}
	if int8.IO && !c.IsSet("int8-scope") {
		int8.Scope = quant.All
	}
	if int8.Method, err = quant.ParseMethod(c.String("calib-method")); err != nil {
		return nil, cli.Usagef("--calib-method: %w", err)
	}
	if int8.KeepFloat, int8.Keep, err = parseKept(c.String("keep-float")); err != nil {
		return nil, err
	}
	switch q := c.String("quant"); q {
	case "":
	case "int8":
		o.Int8 = &int8
	default:
		return nil, cli.Usagef("--quant %q: expected int8", q)
	}
	if err := cfg.validate(c); err != nil {
		return nil, err
	}
	if err := cfg.readReference(c.String("input"), c.String("expect")); err != nil {
		return nil, err
	}
	said, err := cli.Preprocess(c)
	if err != nil {
		return nil, err
	}
	said.Height, said.Width = o.Model.Height, o.Model.Width
	o.Model.Preprocess = said
	return cfg, nil
}

// parseKept reads --keep-float, a list of names of layers and at most one number of others, or auto.
func parseKept(list string) (count int, names []string, err error) {
	if list == "" {
		return 0, nil, nil
	}
	counted := false
	for _, w := range strings.Split(list, ",") {
		n, err := strconv.Atoi(w)
		switch {
		case w == "auto":
			n = quant.KeepAuto
		case w == "" || err == nil && n < 0:
			return 0, nil, cli.Usagef("--keep-float %q: expected names of layers, a number of layers or auto", w)
		case err != nil:
			names = append(names, w)
			continue
		}
		if counted {
			return 0, nil, cli.Usagef("--keep-float %q: expected one number of layers, or auto, and names", list)
		}
		count, counted = n, true
	}
	return count, names, nil
}

// ofInt8 are the flags that mean nothing without --quant.
var ofInt8 = []string{"int8-scope", "calib", "calib-method", "int8-symmetric", "keep-float", "calib-samples", "accept-loss", "int8-io"}

// validate refuses values and combinations that make no sense.
func (cfg *config) validate(c *urfave.Context) error {
	o, m, files := &cfg.options, &cfg.options.Model, c.Args().Len()
	samples, input, quantized := c.Int("calib-samples"), c.String("input"), o.Int8 != nil
	set := func(names ...string) string {
		for _, n := range names {
			if c.IsSet(n) {
				return n
			}
		}
		return ""
	}
	switch {
	case files == 0:
		return cli.Usagef("no checkpoint given")
	case c.IsSet("opset") && (o.Opset < onnx.MinOpset || o.Opset > onnx.MaxOpset):
		return cli.Usagef("--opset %d: expected %d to %d", o.Opset, onnx.MinOpset, onnx.MaxOpset)
	case c.IsSet("batch") && (m.Batch < 1 || m.Batch > 1<<16):
		return cli.Usagef("--batch %d: expected 1 to %d", m.Batch, 1<<16)
	case samples < 1:
		return cli.Usagef("--calib-samples %d: expected 1 or more", samples)
	case c.String("format") != "" && cfg.format == nil:
		return cli.Usagef("--format %q: expected %s", c.String("format"), format.List(format.Names()))
	case c.IsSet("output") && cfg.output == "":
		return cli.Usagef("--output: expected a file name")
	case cfg.output != "" && files > 1:
		return cli.Usagef("--output with %d checkpoints: use --output-dir", files)
	case cfg.output != "" && cfg.outputDir != "":
		return cli.Usagef("--output and --output-dir exclude each other")
	case cfg.name != "" && cfg.output != "":
		return cli.Usagef("--output and --name exclude each other")
	case strings.ContainsAny(strings.ReplaceAll(cfg.name, namePlace, ""), `{}/`+string(filepath.Separator)):
		return cli.Usagef("--name %q: expected a file's name with %s in the checkpoint's place", cfg.name, namePlace)
	case outfile.IsStdout(cfg.output) && cfg.json:
		return cli.Usagef("--output - and --json both write to standard output")
	case cfg.report != "" && files > 1:
		return cli.Usagef("--report with %d checkpoints: convert them one by one", files)
	case (input == "") != (c.String("expect") == ""):
		return cli.Usagef("--input and --expect need each other")
	case input != "" && files > 1:
		return cli.Usagef("--expect with %d checkpoints: convert them one by one", files)
	case input != "" && o.NoCheck:
		return cli.Usagef("--no-check leaves out what --expect asks for")
	case !quantized && set(ofInt8...) != "":
		return cli.Usagef("--%s needs --quant int8", set(ofInt8...))
	case quantized && o.Int8.IO && (o.Int8.Scope != quant.All || c.IsSet("keep-float") || m.Softmax):
		return cli.Usagef("--int8-io leaves nothing in float: it excludes --int8-scope pointwise, --keep-float and --softmax")
	case quantized && o.NoFuse:
		return cli.Usagef("--quant excludes --no-fuse")
	case m.Features && set("softmax", "labels") != "":
		return cli.Usagef("--features has no classes for --%s", set("softmax", "labels"))
	case m.Embedding && set("features", "softmax", "labels") != "":
		return cli.Usagef("--embedding excludes --%s", set("features", "softmax", "labels"))
	case c.IsSet("taps") && m.Embedding:
		return cli.Usagef("--taps needs --features")
	case m.Segment != "" && !slices.Contains(model.Segments(), m.Segment):
		return cli.Usagef("--segment %q: expected %s", m.Segment, format.List(model.Segments()))
	case m.Features && set("part", "encoder-input", "image-size", "decoder-outputs", "upsample") != "":
		return cli.Usagef("--features gives no --%s", set("part", "encoder-input", "image-size", "decoder-outputs", "upsample"))
	case c.IsSet("image-size") && m.SAM.Input != model.InputHWC && m.SAM.Input != model.InputUint8:
		return cli.Usagef("--image-size needs --encoder-input %s or %s", model.InputHWC, model.InputUint8)
	case c.String("quant") != "" && (m.SAM.Input == model.InputHWC || m.SAM.Input == model.InputUint8):
		return cli.Usagef("--quant excludes --encoder-input %s: calibration takes normalised images, expected %s", m.SAM.Input, model.InputNCHW)
	case m.SAM.Part == model.PartDecoder && set("encoder-input", "image-size", "upsample") != "":
		return cli.Usagef("--part decoder takes no --%s", set("encoder-input", "image-size", "upsample"))
	case m.SAM.Part == model.PartEncoder && c.IsSet("decoder-outputs"):
		return cli.Usagef("--part encoder takes no --decoder-outputs")
	case m.Features && set("segment", "score-threshold", "iou-threshold", "max-detections", "no-masks", "raw") != "":
		return cli.Usagef("--features gives no --%s", set("segment", "score-threshold", "iou-threshold", "max-detections", "no-masks", "raw"))
	case c.IsSet("max-detections") && (m.Detector.Most < 1 || m.Detector.Most > 1<<14):
		return cli.Usagef("--max-detections %d: expected 1 to %d", m.Detector.Most, 1<<14)
	case outside(m.Detector.Score):
		return cli.Usagef("--score-threshold %v: expected a number from 0 to 1", *m.Detector.Score)
	case outside(m.Detector.IoU):
		return cli.Usagef("--iou-threshold %v: expected a number from 0 to 1", *m.Detector.IoU)
	case c.IsSet("bn-eps") && !(m.BNEpsilon > 0 && m.BNEpsilon < 1):
		return cli.Usagef("--bn-eps %v: expected a number between 0 and 1", m.BNEpsilon)
	}
	for _, choice := range []struct {
		flag, value string
		of          []string
	}{{"part", m.SAM.Part, model.SAMParts()}, {"encoder-input", m.SAM.Input, model.EncoderInputs()}, {"decoder-outputs", m.SAM.Outputs, model.DecoderOutputs()}, {"upsample", m.SAM.Upsample, model.Upsamplings()}} {
		if choice.value != "" && !slices.Contains(choice.of, choice.value) {
			return cli.Usagef("--%s %q: expected %s", choice.flag, choice.value, format.List(choice.of))
		}
	}
	f, err := cfg.formatOf(cmp.Or(cfg.output, cfg.named()))
	if err == nil && f.Fixed {
		switch {
		case o.AnySize:
			return cli.Usagef("--size dynamic: %s files have one size", f.Name)
		case m.Batch > 1:
			return cli.Usagef("--batch %d: %s files take one image", m.Batch, f.Name)
		case f.NoLabels && cfg.labels != "":
			return cli.Usagef("--labels: %s files have no place for names", f.Name)
		case o.NoFuse:
			return cli.Usagef("--no-fuse: %s files have the fused form", f.Name)
		}
	}
	if err == nil {
		switch {
		case !slices.Contains([]string{"", coremlImage, coremlTensor}, c.String("coreml-input")):
			return cli.Usagef("--coreml-input %q: expected %s or %s", c.String("coreml-input"), coremlImage, coremlTensor)
		case !f.Images && c.IsSet("coreml-input"):
			return cli.Usagef("--coreml-input means nothing in the %s format", f.Name)
		case !f.Float16 && o.Float32:
			return cli.Usagef("--float32 means nothing in the %s format", f.Name)
		case o.Float32 && o.Half:
			return cli.Usagef("--half excludes --float32")
		case quantized && o.Int8.Symmetric && f == format.NCNN:
			return cli.Usagef("--int8-symmetric: the integers of %s files are symmetric in any case", f.Name)
		case quantized && o.Int8.Scope == quant.Weights && !f.Weights:
			return cli.Usagef("--int8-scope %s: %s files have no int8 weights of operators that compute in floats, expected the coreml format", quant.Weights, f.Name)
		case quantized && o.Int8.Scope == quant.Weights && set("keep-float", "calib-method", "int8-symmetric") != "":
			return cli.Usagef("--int8-scope %s has no ranges and keeps every layer in float: it excludes --%s", quant.Weights, set("keep-float", "calib-method", "int8-symmetric"))
		case quantized && o.Int8.IO && !f.Integers:
			return cli.Usagef("--int8-io: %s files take and give floats, expected the tflite format", f.Name)
		case quantized && o.Half && !f.Float16:
			return cli.Usagef("--quant excludes --half")
		case f.Files != nil && outfile.IsStdout(cfg.output):
			return cli.Usagef("--output -: %s files are several", f.Name)
		}
	}
	if err == nil && !f.Opset && c.IsSet("opset") {
		return cli.Usagef("--opset means nothing in the %s format", f.Name)
	}
	return err
}

// share is the value of a flag that was given.
func share(c *urfave.Context, name string) *float64 {
	if !c.IsSet(name) {
		return nil
	}
	v := c.Float64(name)
	return &v
}

// outside reports whether a number is given that is no share.
func outside(v *float64) bool { return v != nil && !(*v >= 0 && *v <= 1) }

// formatOf chooses the format of an output file.
func (cfg *config) formatOf(path string) (*format.Format, error) {
	f := cmp.Or(cfg.format, format.For(path))
	if f == nil {
		return nil, cli.Usagef("--output %q: extension %q, expected %s, or --format", path, strings.ToLower(filepath.Ext(path)), format.List(format.WrittenExtensions()))
	}
	return f, nil
}

// outputFor returns where the conversion of a checkpoint goes. It keeps the checkpoint's
// extension where another of the run has the same name without it, or where the output would
// be the checkpoint itself.
func (cfg *config) outputFor(checkpoint string) string {
	if cfg.output != "" {
		return cfg.output
	}
	ext := cmp.Or(cfg.format, format.For(cfg.named())).Extensions[0]
	base := baseName(checkpoint)
	if cfg.sameName[base] > 1 || cfg.outputDir == "" && base+ext == checkpoint {
		base = strings.TrimRight(checkpoint, string(filepath.Separator))
	}
	if cfg.outputDir != "" {
		base = filepath.Join(cfg.outputDir, cfg.inside[checkpoint], filepath.Base(base))
	}
	if cfg.name == "" {
		return base + ext
	}
	name := strings.ReplaceAll(cfg.name, namePlace, filepath.Base(base))
	if cfg.named() == "" {
		name += ext
	}
	return filepath.Join(filepath.Dir(base), name)
}

// namePlace stands for the checkpoint's name in --name.
const namePlace = "{name}"

// named is the template of names where it ends in a format's extension, which says the format.
func (cfg *config) named() string {
	if filepath.Ext(cfg.name) == "" || format.For(cfg.name) == nil {
		return ""
	}
	return cfg.name
}

// parseStrides reads "2,2x1,2": rows first.
func parseStrides(text string) (list [][2]int, err error) {
	if text == "" {
		return nil, nil
	}
	for word := range strings.SplitSeq(text, ",") {
		h, w, two := strings.Cut(strings.TrimSpace(word), "x")
		if !two {
			w = h
		}
		rows, err1 := strconv.Atoi(h)
		columns, err2 := strconv.Atoi(w)
		if err1 != nil || err2 != nil || rows < 1 || columns < 1 {
			return nil, cli.Usagef("--strides %q: found %q, expected N or ROWSxCOLUMNS for each downsampling, separated by commas", text, word)
		}
		list = append(list, [2]int{rows, columns})
	}
	return list, nil
}

// parseTaps reads the name of a rule or block numbers.
func parseTaps(text string) (t model.Taps, err error) {
	switch text {
	case "":
		return t, nil
	case model.TapEnds, model.TapTimm:
		return model.Taps{Rule: text}, nil
	}
	for word := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || n < 0 || len(t.Blocks) > 0 && n <= t.Blocks[len(t.Blocks)-1] {
			return t, cli.Usagef("--taps %q: expected %s, %s or rising block numbers separated by commas", text, model.TapEnds, model.TapTimm)
		}
		t.Blocks = append(t.Blocks, n)
	}
	return t, nil
}

// baseName is a checkpoint's name without its extension.
func baseName(path string) string {
	path = strings.TrimRight(path, string(filepath.Separator))
	if format.IsCheckpointName(path) && strings.EqualFold(filepath.Ext(path), ".tar") {
		path = strings.TrimSuffix(path, filepath.Ext(path))
	}
	return strings.TrimSuffix(path, filepath.Ext(path))
}

// outputs are the files that the conversions of the checkpoints write.
func (cfg *config) outputs(checkpoints []string) []outfile.Output {
	all := []outfile.Output{{Path: cfg.report, What: "the report"}}
	for _, c := range checkpoints {
		all = append(all, outfile.Output{Path: cfg.outputFor(c), What: "the conversion of " + c})
	}
	return all
}
