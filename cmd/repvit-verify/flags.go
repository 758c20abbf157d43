package main

import (
	"slices"

	urfave "github.com/urfave/cli/v2"

	"github.com/repvit-go/repvit/internal/cli"
	"github.com/repvit-go/repvit/internal/outfile"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/pytorch"
	"github.com/repvit-go/repvit/verify"
)

// config is what the flags say.
type config struct {
	input, logits, against, images, labels, output, report string
	tolerance                                              verify.Tolerance
	engine                                                 string
	threads, runs, batch                                   int
	maxMemory                                              int64             // bytes, 0 for the default
	height, width                                          int               // 0 where --size was not given
	preprocess                                             preprocess.Config // what flags say of it
	weights                                                pytorch.Options
	json, quiet                                            bool
}

// Engines of --engine.
const (
	engineFast      = "fast"
	engineReference = "reference"
)

const description = `MODEL is an ONNX file, a native .safetensors, or a checkpoint, which runs unfused.

Examples:
  repvit-verify m1.onnx --input x.npy --logits y.npy       equal to reference logits?
  repvit-verify m1.onnx --against m1.pth                   where do two files differ first?
  repvit-verify m1.int8.onnx --images val/ --labels val.csv --against m1.pth
  repvit-verify A.onnx B.onnx C.safetensors --images val/ --labels val.csv
  repvit-verify run m1.onnx --input x.npy -o y.npy
  repvit-verify bench m1.safetensors --threads 1
  repvit-verify preprocess cat.jpg --size 224 -o x.npy

Exit status: 0 equal or done, 1 outputs differ or the work failed, 2 wrong usage.`

// Flags by topic.
func engineFlags() []urfave.Flag {
	return []urfave.Flag{
		&urfave.StringFlag{Name: "engine", Value: engineFast, DefaultText: engineFast, Usage: "`ENGINE`: fast (float32) or reference (plain float64)"},
		&urfave.IntFlag{Name: "threads", Usage: "use `N` cores", DefaultText: "all"},
		cli.MaxMemoryFlag(),
		&urfave.BoolFlag{Name: "ema", Usage: "of a checkpoint, the averaged weights (model_ema)"},
		&urfave.StringFlag{Name: "key", Usage: "`PATH` of the state dict in a checkpoint that holds several"},
	}
}

func imageFlags() []urfave.Flag {
	return append([]urfave.Flag{
		&urfave.StringFlag{Name: "size", Usage: "input resolution `N` or HxW", DefaultText: "the model's, else 224"},
		&urfave.Float64Flag{Name: "crop-pct", Usage: "resize the short side to int(size/`F`)", DefaultText: "the model's, else 0.875"},
	}, cli.PreprocessFlags("the model's, else ImageNet's", "the model's, else ImageNet's", "the model's, else bicubic")...)
}

func commonFlags() []urfave.Flag {
	return []urfave.Flag{
		&urfave.BoolFlag{Name: "json", Usage: "print one JSON object on standard output"},
		&urfave.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print nothing but errors"},
	}
}

func concat(lists ...[]urfave.Flag) []urfave.Flag {
	var all []urfave.Flag
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

func newApp() *urfave.App {
	action := func(f func(*urfave.Context, *config) error) urfave.ActionFunc {
		return func(c *urfave.Context) error {
			cfg, err := parse(c)
			if err != nil {
				return err
			}
			outputs := []outfile.Output{{Path: cfg.output, What: "the output"}, {Path: cfg.report, What: "the report"}}
			if err := outfile.Check(append(cli.Inputs(c), c.Args().Slice()...), outputs); err != nil {
				return err
			}
			return cli.AllowMore(f(c, cfg))
		}
	}
	input := &urfave.StringFlag{Name: "input", TakesFile: true, Usage: "read the input from `FILE`.npy: N×3×H×W float32, normalised"}
	output := &urfave.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write `FILE`.npy; - is standard output"}
	return &urfave.App{
		Name:        "repvit-verify",
		Usage:       "prove that a RepViT network computes what it should",
		UsageText:   "repvit-verify [flags] MODEL\nrepvit-verify run|bench|preprocess [flags] FILE",
		Description: description,
		Version:     cli.Version(),
		Metadata: map[string]any{cli.Choices: map[string][]string{
			"engine":        {engineFast, engineReference},
			"size":          {},
			"interpolation": preprocess.Interpolations(),
			"key":           {},
		}},
		Flags: concat([]urfave.Flag{
			input,
			&urfave.StringFlag{Name: "logits", TakesFile: true, Usage: "compare with the logits in `FILE`: .npy, .npz (FILE.npz:NAME) or .pt"},
			&urfave.StringFlag{Name: "against", TakesFile: true, Usage: "compare with the network in `OTHER`"},
			&urfave.StringFlag{Name: "images", TakesFile: true, Usage: "evaluate on the png and jpeg images in `DIR`"},
			&urfave.StringFlag{Name: "labels", TakesFile: true, Usage: "the images' classes: `FILE`.csv with the header file,label"},
			&urfave.Float64Flag{Name: "atol", Value: 1e-4, Usage: "absolute tolerance `T`: |got − want| ≤ atol + rtol·|want|"},
			&urfave.Float64Flag{Name: "rtol", Value: 1e-3, Usage: "relative tolerance `T`"},
			&urfave.StringFlag{Name: "report", Usage: "write an HTML report to `FILE`"},
		}, engineFlags(), imageFlags(), commonFlags()),
		Action: action(verifyModels),
		Commands: []*urfave.Command{
			{Name: "run", Usage: "write the logits of an input", ArgsUsage: "MODEL", Flags: concat([]urfave.Flag{input, output}, engineFlags(), commonFlags()), Action: action(runModel)},
			{Name: "bench", Usage: "measure latency", ArgsUsage: "MODEL", Flags: concat([]urfave.Flag{
				&urfave.IntFlag{Name: "runs", Value: 50, Usage: "`N` timed runs"},
				&urfave.IntFlag{Name: "batch", Value: 1, Usage: "images `N` in each"},
				&urfave.BoolFlag{Name: "profile", Usage: "time every operator as well"},
			}, engineFlags(), imageFlags()[:1], commonFlags()), Action: action(bench)},
			{Name: "preprocess", Usage: "write the tensor that the model would see", ArgsUsage: "IMAGE", Flags: concat([]urfave.Flag{
				output,
				&urfave.IntFlag{Name: "channels", Usage: "`N`: 1 (gray), 3 (RGB) or 4 (RGBA)", DefaultText: "as --mean says, else 3"},
			}, imageFlags(), commonFlags()), Action: action(preprocessImage)},
		},
	}
}

func parse(c *urfave.Context) (*config, error) {
	cfg := &config{
		input: c.String("input"), logits: c.String("logits"), against: c.String("against"), images: c.String("images"), labels: c.String("labels"),
		output: c.String("output"), report: c.String("report"), tolerance: verify.Tolerance{Abs: c.Float64("atol"), Rel: c.Float64("rtol")},
		engine: c.String("engine"), threads: c.Int("threads"), runs: c.Int("runs"), batch: c.Int("batch"),
		weights: pytorch.Options{Key: c.String("key"), EMA: c.Bool("ema")}, json: c.Bool("json"), quiet: c.Bool("quiet"),
	}
	var err error
	if cfg.maxMemory, err = cli.MaxMemory(c); err != nil {
		return nil, err
	}
	if cfg.preprocess, err = cli.Preprocess(c); err != nil {
		return nil, err
	}
	if s := c.String("size"); s != "" {
		if cfg.height, cfg.width, err = cli.ParseSize(s); err != nil {
			return nil, err
		}
	}
	cfg.preprocess.Height, cfg.preprocess.Width = cfg.height, cfg.width
	switch {
	case c.Args().Len() == 0:
		return nil, cli.Usagef("no file given")
	case cfg.threads < 0 || cfg.threads > 1024:
		return nil, cli.Usagef("--threads %d: expected 0 (all cores) to 1024", cfg.threads)
	case cfg.engine != "" && cfg.engine != engineFast && cfg.engine != engineReference:
		return nil, cli.Usagef("--engine %q: expected fast or reference", cfg.engine)
	case !(cfg.tolerance.Abs >= 0 && cfg.tolerance.Rel >= 0):
		return nil, cli.Usagef("--atol %v, --rtol %v: expected numbers that are not negative", cfg.tolerance.Abs, cfg.tolerance.Rel)
	case c.IsSet("runs") && (cfg.runs < 1 || cfg.runs > 1<<20):
		return nil, cli.Usagef("--runs %d: expected 1 to %d", cfg.runs, 1<<20)
	case c.IsSet("channels") && !slices.Contains([]int{1, 3, 4}, c.Int("channels")):
		return nil, cli.Usagef("--channels %d: expected 1, 3 or 4", c.Int("channels"))
	case c.IsSet("batch") && (cfg.batch < 1 || cfg.batch > 1<<12):
		return nil, cli.Usagef("--batch %d: expected 1 to %d", cfg.batch, 1<<12)
	}
	if c.IsSet("crop-pct") {
		cfg.preprocess.CropPct = c.Float64("crop-pct")
		if err := preprocess.ImageNet(224, 224, cfg.preprocess.CropPct).Validate(); err != nil {
			return nil, cli.Usagef("--crop-pct %v: %w", cfg.preprocess.CropPct, err)
		}
	}
	return cfg, nil
}

// one returns the only argument.
func one(c *urfave.Context) (string, error) {
	if n := c.Args().Len(); n != 1 {
		return "", cli.Usagef("found %d files, expected one", n)
	}
	return c.Args().First(), nil
}
