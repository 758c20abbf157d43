package verifycmd

import (
	"cmp"
	"context"
	"fmt"
	"image"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"github.com/repvit-go/repvit/evaluate"
	"github.com/repvit-go/repvit/internal/cli"
	"github.com/repvit-go/repvit/internal/outfile"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/pytorch"
	"github.com/repvit-go/repvit/verify"
)

// config is what the flags say.
type config struct {
	input, logits, expect, against, images, labels, output, report string
	masks, coco, isa                                               string
	reduceZeroLabel, strict, upright                               bool
	tolerance                                                      *verify.Tolerance // nil for the networks'
	criteria                                                       evaluate.Criteria
	engine                                                         string
	threads, runs                                                  int
	maxMemory                                                      int64             // bytes, 0 for the default
	batch                                                          int               // 0 where --batch was not given
	height, width                                                  int               // 0 where --size was not given
	preprocess                                                     preprocess.Config // what flags say of it
	weights                                                        pytorch.Options
	program                                                        string // its name
	json, quiet                                                    bool
}

// Engines of --engine.
const (
	engineFast      = "fast"
	engineReference = "reference"
)

const description = `MODEL is an ONNX file, a native .safetensors, or a checkpoint, which runs unfused.

Examples:
  repvit-verify m1.onnx --input x.npy --logits y.npy       equal to reference logits?
  repvit-verify backbone.onnx --input x.npy --expect y.npz  every output, by its name
  repvit-verify m1.onnx m1.pth                             where do two files differ first?
  repvit-verify m1.int8.onnx --images val/ --labels val.csv --against m1.pth
  repvit-verify m1.int8.onnx --images val/ --against m1.pth --min-agreement 0.98
  repvit-verify A.onnx B.onnx C.safetensors --images val/   with a folder for each class
  repvit-verify seg.onnx --images val/ --masks labels/      mIoU of a segmenter
  repvit-verify det.onnx --images val2017/ --coco instances_val2017.json
  repvit-verify classify m1.onnx cat.jpg photos/           what is on them
  repvit-verify predict det.onnx street.jpg -o street.png
  repvit-verify run m1.onnx --input x.npy -o y.npy
  repvit-verify bench m1.safetensors --threads 1
  repvit-verify preprocess cat.jpg --size 224 -o x.npy
  repvit-verify preprocess street.jpg --like seg --scale 2048x512 -o x.npy
  repvit-verify predict sam.encoder.onnx sam.decoder.onnx cat.jpg --point 320,200 -o mask.png

Exit status: 0 equal, criteria met or done; 1 outputs differ, a criterion is not met or the
work failed; 2 wrong usage; 130 or 143 interrupted.`

// Flags by topic.
func engineFlags() []urfave.Flag {
	return slices.Concat([]urfave.Flag{
		&urfave.StringFlag{Name: "engine", Value: engineFast, DefaultText: engineFast, Usage: "`ENGINE`: fast (float32) or reference (plain float64)"},
	}, cli.EngineFlags(), cli.WeightFlags("of a checkpoint, the averaged weights (model_ema)", "`PATH` of the state dict in a checkpoint that holds several"))
}

func imageFlags() []urfave.Flag {
	return append([]urfave.Flag{
		&urfave.StringFlag{Name: "size", Usage: "input resolution `N` or HxW", DefaultText: "the model's, else 224"},
		&urfave.Float64Flag{Name: "crop-pct", Usage: "resize the short side to int(size/`F`)", DefaultText: "the model's, else 0.875"},
	}, cli.PreprocessFlags("the model's, else ImageNet's", "the model's, else ImageNet's", "the model's, else bicubic")...)
}

// uprightFlag is for classifiers, which are trained on images as they are stored.
func uprightFlag() urfave.Flag {
	return &urfave.BoolFlag{Name: "upright", Usage: "turn images as their EXIF orientation says"}
}

var errUpright = cli.Usagef("--upright is for classifiers: segmenters and detectors see images upright anyway")

// open is how images of classifiers are read.
func (cfg *config) open() func(path string) (image.Image, error) {
	if cfg.upright {
		return openUpright
	}
	return openAs(preprocess.Open, preprocess.DecodeContext)
}

// openUpright is how images are read that are seen as viewers show them.
var openUpright = openAs(preprocess.OpenUpright, preprocess.DecodeUpright)

// stdin names standard input.
const stdin = "-"

// maxStdin is how many bytes are read from standard input; decoding refuses as many.
const maxStdin = 1 << 30

// openAs opens files one way and decodes what is on standard input another.
func openAs(open func(string) (image.Image, error), decode func(context.Context, []byte) (image.Image, error)) func(string) (image.Image, error) {
	return func(path string) (image.Image, error) {
		if path != stdin {
			return open(path)
		}
		data, err := io.ReadAll(io.LimitReader(os.Stdin, maxStdin))
		if err != nil {
			return nil, err
		}
		img, err := decode(context.Background(), data)
		if err != nil {
			return nil, fmt.Errorf("standard input: %w", err)
		}
		return img, nil
	}
}

// action makes one of a function that does a command's work.
func action(f func(*urfave.Context, *config) error) urfave.ActionFunc {
	return func(c *urfave.Context) error {
		cfg, err := parse(c)
		if err != nil {
			return err
		}
		outputs := []outfile.Output{{Path: cfg.output, What: "the output"}, {Path: cfg.report, What: "the report"}}
		if err := outfile.Check(append(cli.Inputs(c), c.Args().Slice()...), outputs); err != nil {
			return err
		}
		return cli.Hint(f(c, cfg))
	}
}

// Choices are what flags may be, for completion.
func Choices() map[string][]string {
	return map[string][]string{
		"engine":        {engineFast, engineReference},
		"size":          {},
		"interpolation": preprocess.Interpolations(),
		"like":          {likeSegmentation, likeDetection},
		"key":           {},
	}
}

func inputFlag() urfave.Flag {
	return &urfave.StringFlag{Name: "input", TakesFile: true, Usage: "read the input from `FILE`.npy or .npz: N×3×H×W float32, normalised"}
}

func maxMSFlag() urfave.Flag {
	return &urfave.Float64Flag{Name: "max-ms", DefaultText: "none", Usage: "fail where one run takes more than `T` ms, in the median"}
}

func againstFlag() urfave.Flag {
	return &urfave.StringFlag{Name: "against", TakesFile: true, Usage: "compare with the network in `OTHER`"}
}

// folderFlags are those of evaluation.
func folderFlags() []urfave.Flag {
	return []urfave.Flag{
		&urfave.StringFlag{Name: "images", TakesFile: true, Usage: "evaluate on the images in `DIR` or its folders, one a class"},
		&urfave.StringFlag{Name: "labels", TakesFile: true, Usage: "the images' classes: `FILE`.csv with the header file,label"},
		&urfave.BoolFlag{Name: "strict", Usage: "fail at the first image that cannot be decoded; else it is left out"},
		uprightFlag(),
		&urfave.StringFlag{Name: "masks", TakesFile: true, Usage: "of a segmenter, the classes of the images' pixels: label images in `DIR`"},
		&urfave.BoolFlag{Name: "reduce-zero-label", Usage: "label images count from 1, and 0 does not count, as ADE20K's"},
		&urfave.StringFlag{Name: "coco", TakesFile: true, Usage: "of a detector, the images' objects: COCO's annotations in `FILE`.json"},
	}
}

// criteriaFlags give an evaluation a verdict.
func criteriaFlags() []urfave.Flag {
	return []urfave.Flag{
		&urfave.Float64Flag{Name: "min-top1", DefaultText: "none", Usage: "fail where top-1 is less than `F`, 0 to 1"},
		&urfave.Float64Flag{Name: "max-drop", DefaultText: "none", Usage: "fail where top-1 is more than `F` below the reference's"},
		&urfave.Float64Flag{Name: "min-agreement", DefaultText: "none", Usage: "fail where agreement is less than `F`, 0 to 1"},
		&urfave.Float64Flag{Name: "min-sqnr", DefaultText: "none", Usage: "fail where SQNR against the reference is less than `X` dB"},
		maxMSFlag(),
	}
}

func flags() []urfave.Flag {
	return slices.Concat([]urfave.Flag{
		inputFlag(),
		&urfave.StringFlag{Name: "logits", TakesFile: true, Usage: "compare with the logits in `FILE`: .npy, .npz (FILE.npz:NAME) or .pt"},
		&urfave.StringFlag{Name: "expect", TakesFile: true, Usage: "compare with the outputs in `FILE`.npz by their names, or .npy"},
		againstFlag(),
	}, folderFlags(), []urfave.Flag{
		&urfave.Float64Flag{Name: "atol", DefaultText: "by precision", Usage: "`T` in |got − want| ≤ atol + rtol·|want|"},
		&urfave.Float64Flag{Name: "rtol", DefaultText: "by precision", Usage: "`T` in the same"},
	}, criteriaFlags(), []urfave.Flag{cli.ReportFlag(), cli.ProgressFlag()}, engineFlags(), imageFlags(), cli.OutputFlags())
}

func verifyAction(c *urfave.Context, cfg *config) error {
	if err := cfg.checkModels(c); err != nil {
		return err
	}
	return verifyModels(c, cfg)
}

const stdinIs = "The image - is standard input."

// commands are those that stand beside the comparison.
func commands() []*urfave.Command {
	output := &urfave.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write `FILE`.npy; - is standard output"}
	outputs := &urfave.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write `FILE`.npy, or all outputs to FILE.npz by their names"}
	return []*urfave.Command{
		{Name: "run", Usage: "write the outputs for an input", ArgsUsage: "MODEL", Flags: slices.Concat([]urfave.Flag{inputFlag(), outputs,
			&urfave.BoolFlag{Name: "all", Usage: "write every value of the network, by name, into FILE.npz"}}, engineFlags(), cli.OutputFlags()), Action: action(runModel)},
		{Name: "bench", Usage: "measure latency", ArgsUsage: "MODEL", Flags: slices.Concat([]urfave.Flag{
			inputFlag(),
			&urfave.IntFlag{Name: "runs", Value: 50, Usage: "`N` timed runs"},
			&urfave.IntFlag{Name: "batch", DefaultText: "the model's, else 1", Usage: "images `N` in each"},
			maxMSFlag(),
			&urfave.StringFlag{Name: "isa", DefaultText: "the best of this machine", Usage: "use the kernels of `SET`, such as avx2 or generic"},
			&urfave.BoolFlag{Name: "profile", Usage: "time every operator as well"},
		}, engineFlags(), imageFlags()[:1], cli.OutputFlags()), Action: action(bench)},
		{Name: "predict", Usage: "what a network sees on an image, or where a prompt points", ArgsUsage: "MODEL IMAGE | ENCODER DECODER IMAGE", Description: stdinIs, Flags: slices.Concat([]urfave.Flag{
			&urfave.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "draw it on the image, in `FILE`.png; of a prompt the mask"},
			uprightFlag(),
		}, promptFlags(), engineFlags(), imageFlags(), cli.OutputFlags()), Action: action(predict)},
		{Name: "classify", Usage: "what is on images, or on all of a folder", ArgsUsage: "MODEL IMAGE...", Description: stdinIs, Flags: slices.Concat([]urfave.Flag{
			&urfave.IntFlag{Name: "top", Value: topClasses, DefaultText: strconv.Itoa(topClasses), Usage: "say the `N` most probable classes"},
			uprightFlag(),
		}, engineFlags(), imageFlags(), cli.OutputFlags()), Action: action(classify)},
		{Name: "preprocess", Usage: "write the tensor that the model would see", ArgsUsage: "IMAGE", Description: stdinIs, Flags: slices.Concat([]urfave.Flag{
			output,
			&urfave.StringFlag{Name: "like", Usage: "prepare the whole image as for `KIND`: seg (mmsegmentation) or det (mmdetection)"},
			&urfave.StringFlag{Name: "scale", DefaultText: "2048x512 for seg, 1333x800 for det", Usage: "with --like, the image is scaled to fit `LONGxSHORT`"},
			&urfave.BoolFlag{Name: "letterbox", Usage: "prepare the whole image as for SAM: a square of --size, else 1024"},
			uprightFlag(),
			&urfave.IntFlag{Name: "channels", Usage: "`N`: 1 (gray), 3 (RGB) or 4 (RGBA)", DefaultText: "as --mean says, else 3"},
		}, imageFlags(), cli.OutputFlags()), Action: action(preprocessImage)},
	}
}

func newApp() *urfave.App {
	return &urfave.App{
		Name:        "repvit-verify",
		Usage:       "prove that a RepViT network computes what it should",
		UsageText:   "repvit-verify [flags] MODEL [OTHER]\nrepvit-verify run|bench|classify|predict|preprocess [flags] FILE...",
		Description: description,
		Version:     cli.Version(),
		Metadata:    map[string]any{cli.Choices: Choices(), cli.Failure: cli.StatusDiffers},
		Flags:       flags(),
		Action:      action(verifyAction),
		Commands:    commands(),
	}
}

// Commands are the command and its subcommands, for a program that has others beside them.
func Commands() []*urfave.Command {
	names := strings.NewReplacer("repvit-verify run", "repvit run", "repvit-verify bench", "repvit bench", "repvit-verify preprocess", "repvit preprocess", "repvit-verify predict", "repvit predict", "repvit-verify classify", "repvit classify", "repvit-verify", "repvit verify")
	described, _, _ := strings.Cut(names.Replace(description), "\n\nExit status") // which is the program's
	return append([]*urfave.Command{
		{Name: "verify", Usage: "prove that a network computes what it should", ArgsUsage: "MODEL [OTHER]", Description: described, Flags: flags(), Action: action(verifyAction)},
		{Name: "evaluate", Usage: "measure accuracy and agreement on a folder of images", ArgsUsage: "MODEL...", Flags: slices.Concat(folderFlags(), []urfave.Flag{againstFlag()},
			criteriaFlags(), []urfave.Flag{cli.ReportFlag(), cli.ProgressFlag()}, engineFlags(), imageFlags(), cli.OutputFlags()),
			Action: action(func(c *urfave.Context, cfg *config) error {
				if cfg.images == "" {
					return cli.Usagef("no folder given: --images DIR")
				}
				return verifyAction(c, cfg)
			})},
	}, commands()...)
}

func parse(c *urfave.Context) (*config, error) {
	cfg := &config{
		input: c.String("input"), logits: c.String("logits"), against: c.String("against"), images: c.String("images"), labels: c.String("labels"),
		masks: c.String("masks"), coco: c.String("coco"), reduceZeroLabel: c.Bool("reduce-zero-label"), strict: c.Bool("strict"), upright: c.Bool("upright"),
		expect: c.String("expect"), output: c.String("output"), report: c.String("report"), criteria: criteria(c),
		engine: c.String("engine"), isa: c.String("isa"), runs: c.Int("runs"), batch: c.Int("batch"),
		program: c.App.Name, json: c.Bool("json"), quiet: c.Bool("quiet"),
	}
	var err error
	if cfg.threads, cfg.maxMemory, err = cli.Engine(c); err != nil {
		return nil, err
	}
	if cfg.weights, err = cli.Weights(c); err != nil {
		return nil, err
	}
	if cfg.preprocess, err = cli.Preprocess(c); err != nil {
		return nil, err
	}
	if s := c.String("size"); s != "" {
		if cfg.height, cfg.width, err = cli.ParseSize(s); err != nil {
			return nil, err
		}
		if cfg.height == 0 {
			return nil, cli.Usagef("--size %s: expected N or HxW", s)
		}
	}
	if c.IsSet("atol") || c.IsSet("rtol") {
		t := verify.DefaultTolerance
		t.Scaled = false // numbers that are given are meant
		if c.IsSet("atol") {
			t.Abs = c.Float64("atol")
		}
		if c.IsSet("rtol") {
			t.Rel = c.Float64("rtol")
		}
		if !(t.Abs >= 0 && t.Rel >= 0) || math.IsInf(t.Abs, 0) || math.IsInf(t.Rel, 0) {
			return nil, cli.Usagef("--atol %v, --rtol %v: expected finite numbers that are not negative", t.Abs, t.Rel)
		}
		cfg.tolerance = &t
	}
	cfg.preprocess.Height, cfg.preprocess.Width = cfg.height, cfg.width
	switch {
	case c.Args().Len() == 0:
		return nil, cli.Usagef("no file given")
	case cfg.engine != "" && cfg.engine != engineFast && cfg.engine != engineReference:
		return nil, cli.Usagef("--engine %q: expected fast or reference", cfg.engine)
	case c.IsSet("runs") && (cfg.runs < 1 || cfg.runs > 1<<20):
		return nil, cli.Usagef("--runs %d: expected 1 to %d", cfg.runs, 1<<20)
	case cfg.criteria.MaxLatency != nil && !(*cfg.criteria.MaxLatency > 0):
		return nil, cli.Usagef("--max-ms %v: expected a time of more than 0 ms", *cfg.criteria.MaxLatency)
	case c.IsSet("channels") && !slices.Contains([]int{1, 3, 4}, c.Int("channels")):
		return nil, cli.Usagef("--channels %d: expected 1, 3 or 4", c.Int("channels"))
	case c.IsSet("top") && c.Int("top") < 1:
		return nil, cli.Usagef("--top %d: expected 1 or more", c.Int("top"))
	case c.IsSet("batch") && (cfg.batch < 1 || cfg.batch > 1<<12):
		return nil, cli.Usagef("--batch %d: expected 1 to %d", cfg.batch, 1<<12)
	case c.Bool("profile") && cfg.engine == engineReference:
		return nil, cli.Usagef("--profile needs --engine fast")
	case cfg.isa != "" && cfg.engine == engineReference:
		return nil, cli.Usagef("--isa needs --engine fast")
	}
	return cfg, nil
}

// criteria are what flags ask of figures.
func criteria(c *urfave.Context) (all evaluate.Criteria) {
	for name, to := range map[string]**float64{"min-top1": &all.MinTop1, "max-drop": &all.MaxDrop, "min-agreement": &all.MinAgreement, "min-sqnr": &all.MinSQNR, "max-ms": &all.MaxLatency} {
		if c.IsSet(name) {
			x := c.Float64(name)
			*to = &x
		}
	}
	return all
}

// Flags of the comparison, by what they mean something with.
var (
	ofArrays    = []string{"input", "logits", "expect", "atol", "rtol"}
	ofImages    = []string{"labels", "strict", "upright", "masks", "coco", "reduce-zero-label", "crop-pct", "mean", "std", "interpolation", "min-top1", "max-drop", "min-agreement", "min-sqnr", "max-ms"}
	ofDense     = []string{"labels", "upright", "against", "crop-pct", "mean", "std", "interpolation", "min-top1", "max-drop", "min-agreement", "min-sqnr", "max-ms"} // that mean nothing for it
	ofLabels    = []string{"min-top1", "max-drop"}
	ofReference = []string{"max-drop", "min-agreement", "min-sqnr"}
)

// checkModels refuses combinations of the comparison's flags in which one of them would mean
// nothing.
func (cfg *config) checkModels(c *urfave.Context) error {
	set := func(names []string) string {
		for _, n := range names {
			if c.IsSet(n) {
				return n
			}
		}
		return ""
	}
	for _, name := range []string{"min-top1", "max-drop", "min-agreement"} {
		if x := c.Float64(name); c.IsSet(name) && !(x >= 0 && x <= 1) {
			return cli.Usagef("--%s %v: expected a share from 0 to 1, such as 0.95", name, x)
		}
	}
	if x := c.Float64("min-sqnr"); x-x != 0 {
		return cli.Usagef("--min-sqnr %v: expected decibels", x)
	}
	if cfg.images != "" {
		switch {
		case set(ofArrays) != "":
			return cli.Usagef("--images excludes --%s", set(ofArrays))
		case cfg.masks != "" && cfg.coco != "":
			return cli.Usagef("--masks and --coco exclude each other")
		case cfg.reduceZeroLabel && cfg.masks == "":
			return cli.Usagef("--reduce-zero-label needs --masks")
		case cfg.masks+cfg.coco != "" && set(ofDense) != "":
			return cli.Usagef("--masks and --coco exclude --%s", set(ofDense))
		case cfg.masks+cfg.coco != "" && c.Args().Len() > 1:
			return cli.Usagef("--masks and --coco take one model, found %d", c.Args().Len())
		case cfg.labels == "" && set(ofLabels) != "" && !cfg.classFolders():
			return cli.Usagef("--%s needs --labels, or a folder of images for each class", set(ofLabels))
		case cfg.against == "" && c.Args().Len() < 2 && set(ofReference) != "":
			return cli.Usagef("--%s needs --against, or several models", set(ofReference))
		}
		return nil
	}
	if n := c.Args().Len(); n > 1 && cfg.against == "" && cfg.logits+cfg.expect == "" {
		if n > 2 {
			return cli.Usagef("found %d models: two are compared with each other; --images DIR measures any number", n)
		}
		cfg.against = c.Args().Get(1)
	} else if n > 1 {
		return cli.Usagef("found %d models, expected one that is compared with what --logits, --expect or --against says", n)
	}
	given := 0
	for _, with := range []string{cfg.logits, cfg.expect, cfg.against} {
		if with != "" {
			given++
		}
	}
	switch {
	case set(ofImages) != "":
		return cli.Usagef("--%s needs --images", set(ofImages))
	case given == 0:
		return cli.Usagef("nothing to compare with: give another model, --logits, --expect or --images")
	case given > 1:
		return cli.Usagef("--logits, --expect and --against exclude each other")
	case cfg.input == "" && cfg.against == "":
		return cli.Usagef("--logits and --expect need --input")
	case cfg.input != "" && cfg.height > 0:
		return cli.Usagef("--size is that of the array with --input")
	}
	return nil
}

// classFolders reports whether --images says the classes.
func (cfg *config) classFolders() bool {
	folders, _ := evaluate.ClassFolders(cfg.images) // the evaluation says what is wrong
	return len(folders) > 0
}

// Networks of --like.
const (
	likeSegmentation = "seg"
	likeDetection    = "det"
)

// fit is the preprocessing of whole images that flags ask for.
func fit(c *urfave.Context, cfg *config) (f preprocess.Fit, err error) {
	for _, name := range []string{"crop-pct", "interpolation", "channels", "upright"} {
		if c.IsSet(name) {
			return f, cli.Usagef("--%s is for classifiers, expected none with --like or --letterbox", name)
		}
	}
	like, scale := c.String("like"), c.String("scale")
	switch letterbox := c.Bool("letterbox"); {
	case letterbox && (c.IsSet("like") || c.IsSet("scale")):
		return f, cli.Usagef("--letterbox excludes --like and --scale")
	case letterbox && cfg.height != cfg.width:
		return f, cli.Usagef("--letterbox makes squares, expected --size N")
	case letterbox:
		f = preprocess.Letterbox(cmp.Or(cfg.height, 1024))
	case like == likeSegmentation:
		f = preprocess.Segmentation(2048, 512)
	case like == likeDetection:
		f = preprocess.Detection(1333, 800)
	default:
		return f, cli.Usagef("--like %q: expected %s or %s", like, likeSegmentation, likeDetection)
	}
	if scale != "" {
		if f.Long, f.Short, err = cli.ParseSize(scale); err != nil || f.Long < f.Short || !strings.Contains(scale, "x") {
			return f, cli.Usagef("--scale %q: expected LONGxSHORT, such as 1333x800", scale)
		}
	}
	if like != "" && cfg.height > 0 {
		if scale != "" {
			return f, cli.Usagef("--scale excludes --size")
		}
		f = f.Sized(cfg.height, cfg.width)
	}
	for _, v := range []struct{ said, to *[]float64 }{{&cfg.preprocess.Mean, &f.Mean}, {&cfg.preprocess.Std, &f.Std}} {
		switch len(*v.said) {
		case 0:
		case 1:
			*v.to = slices.Repeat(*v.said, 3)
		default:
			*v.to = *v.said
		}
	}
	if err := f.Validate(); err != nil {
		return f, cli.Usagef("%w", err)
	}
	return f, nil
}

// one returns the only argument.
func one(c *urfave.Context) (string, error) {
	if n := c.Args().Len(); n != 1 {
		return "", cli.Usagef("found %d files, expected one", n)
	}
	return c.Args().First(), nil
}
