package verifycmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	urfave "github.com/urfave/cli/v2"

	"github.com/repvit-go/repvit/evaluate"
	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/internal/cli"
	"github.com/repvit-go/repvit/internal/load"
	"github.com/repvit-go/repvit/internal/outfile"
	"github.com/repvit-go/repvit/internal/printable"
	"github.com/repvit-go/repvit/npy"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/verify"
)

// writeArrays writes an .npz file, or for one array and another extension an .npy file, that
// appears whole or not at all.
func writeArrays(path string, arrays []npy.Array) error {
	f, err := outfile.Create(path)
	if err != nil {
		return err
	}
	defer f.Discard()
	if isZip(path) {
		err = npy.WriteZip(f, arrays)
	} else {
		err = npy.Write(f, arrays[0].Tensor)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return f.Commit()
}

func isZip(path string) bool { return strings.EqualFold(filepath.Ext(path), ".npz") }

// written is an array as run --json tells it.
type written struct {
	Name  string      `json:"name"`
	DType graph.DType `json:"-"`
	Shape []int       `json:"shape"`
}

// runModel is the command run.
func runModel(c *urfave.Context, cfg *config) error {
	path, err := one(c)
	if err != nil {
		return err
	}
	if cfg.input == "" || cfg.output == "" {
		return cli.Usagef("run needs --input and --output")
	}
	in, err := load.Arrays(cfg.input)
	if err != nil {
		return err
	}
	n, err := openNetwork(cfg, path)
	if err != nil {
		return err
	}
	defer n.Close()
	if c.Bool("all") && !isZip(cfg.output) {
		return cli.Usagef("--all with --output %s: expected FILE.npz, which holds many arrays", cfg.output)
	}
	if k := len(n.Graph.Outputs); k > 1 && !isZip(cfg.output) {
		return fmt.Errorf("%s: found %d outputs, expected one for %s; write FILE.npz, which holds %s", path, k, cfg.output, outputNames(n.Graph))
	}
	x, err := verify.InputsFor(n.Graph, in)
	if err != nil {
		return fmt.Errorf("%s: %w", cfg.input, err)
	}
	if err := n.start(cfg, nil); err != nil {
		return err
	}
	if c.Bool("all") {
		return n.dump(c, cfg, x)
	}
	all, err := n.runAll(c.Context, x)
	if errors.Is(err, graph.ErrShape) {
		return fmt.Errorf("%s: for %s: %w", cfg.input, path, err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var arrays []npy.Array
	var told []written
	for i, v := range n.Graph.Outputs {
		arrays = append(arrays, npy.Array{Name: v.Name, Tensor: all[i]})
		told = append(told, written{v.Name, all[i].DType, all[i].Shape})
	}
	if err := writeArrays(cfg.output, arrays); err != nil {
		return err
	}
	return tell(c, cfg, told)
}

// dump writes the inputs, everything that the network's nodes compute, and so its outputs, as it comes.
func (n *network) dump(c *urfave.Context, cfg *config, x []*graph.Tensor) error {
	f, err := outfile.Create(cfg.output)
	if err != nil {
		return err
	}
	defer f.Discard()
	z := npy.NewZipWriter(f)
	var told []written
	err = verify.ObserveAll(c.Context, n.engine, x, func(v *graph.Value, t *graph.Tensor) error {
		told = append(told, written{v.Name, t.DType, t.Shape})
		if err := z.Add(npy.Array{Name: v.Name, Tensor: t}); err != nil {
			return fmt.Errorf("%s: %w", cfg.output, err)
		}
		return nil
	})
	if errors.Is(err, graph.ErrShape) {
		return fmt.Errorf("%s: for %s: %w", cfg.input, n.Path, err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", n.Path, err)
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("%s: %w", cfg.output, err)
	}
	if err := f.Commit(); err != nil {
		return err
	}
	return tell(c, cfg, told)
}

// tell says what was written.
func tell(c *urfave.Context, cfg *config, told []written) error {
	switch {
	case cfg.json:
		return cli.PrintJSON(c.App.Writer, map[string]any{"output": cfg.output, "shape": told[0].Shape, "outputs": told})
	case !cfg.quiet:
		for _, t := range told {
			fmt.Fprintf(c.App.ErrWriter, "wrote %s: %s, %v of shape %v\n", cfg.output, printable.Line(t.Name), t.DType, t.Shape)
		}
	}
	return nil
}

// runAll runs the network; a batch one by one where it takes one at a time.
func (n *network) runAll(ctx context.Context, x []*graph.Tensor) ([]*graph.Tensor, error) {
	in := n.Graph.Inputs[0].Type.Shape
	if len(x) != 1 || len(x[0].Shape) != len(in) || len(in) == 0 || in[0] != graph.Fixed(1) || x[0].Shape[0] <= 1 {
		return verify.RunAll(ctx, n.engine, x...)
	}
	var all []*graph.Tensor
	for i := range x[0].Shape[0] {
		y, err := verify.RunAll(ctx, n.engine, x[0].Slice(i, i+1))
		if err != nil {
			return nil, err
		}
		if all == nil {
			all = y
			continue
		}
		for k, t := range y {
			if all[k], err = behind(all[k], t); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// behind puts a tensor behind another, along the first axis.
func behind(a, b *graph.Tensor) (*graph.Tensor, error) {
	if a.DType != b.DType || len(a.Shape) == 0 || !slices.Equal(a.Shape[1:], b.Shape[1:]) {
		return nil, fmt.Errorf("%w: outputs of shape %v and %v for one image each", graph.ErrShape, a.Shape, b.Shape)
	}
	shape := append([]int{a.Shape[0] + b.Shape[0]}, a.Shape[1:]...)
	return graph.NewTensor(a.DType, shape, slices.Concat(a.Bytes(), b.Bytes()))
}

// prepared is what the command preprocess writes, and tells with --json.
type prepared struct {
	Output     string `json:"output"`
	Shape      []int  `json:"shape"`
	Preprocess any    `json:"preprocess"`        // a preprocess.Config or preprocess.Fit
	Image      []int  `json:"image,omitempty"`   // height and width
	Resized    []int  `json:"resized,omitempty"` // the image's in the input
	input      *graph.Tensor
}

// preprocessImage is the command preprocess.
func preprocessImage(c *urfave.Context, cfg *config) error {
	path, err := one(c)
	if err != nil {
		return err
	}
	if cfg.output == "" {
		return cli.Usagef("preprocess needs --output")
	}
	prepare := cropped
	if c.IsSet("like") || c.IsSet("scale") || c.Bool("letterbox") {
		prepare = fitted
	}
	p, err := prepare(c, cfg, path)
	if err != nil {
		return err
	}
	p.Output, p.Shape = cfg.output, p.input.Shape
	if err := writeArrays(cfg.output, []npy.Array{{Name: "input", Tensor: p.input}}); err != nil {
		return err
	}
	switch {
	case cfg.json:
		return cli.PrintJSON(c.App.Writer, p)
	case !cfg.quiet:
		fmt.Fprintf(c.App.ErrWriter, "wrote %s: %v of shape %v\n", cfg.output, p.input.DType, p.Shape)
	}
	return nil
}

// cropped prepares an image for a classifier.
func cropped(c *urfave.Context, cfg *config, path string) (*prepared, error) {
	p := preprocess.ImageNet(224, 224, 0.875)
	p.Mean, p.Std = nil, nil // ImageNet's are for three channels
	p = p.With(cfg.preprocess)
	channels := c.Int("channels")
	if channels == 0 {
		if channels = max(len(p.Mean), len(p.Std)); channels < 2 {
			channels = 3
		}
	}
	p, err := p.For(channels)
	if err != nil {
		return nil, fmt.Errorf("%w; give --mean and --std", err)
	}
	img, err := cfg.open()(path)
	if err != nil {
		return nil, err
	}
	x, err := p.Tensor(img)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &prepared{Preprocess: p, input: x}, nil
}

// fitted prepares an image for a network that sees the whole of it.
func fitted(c *urfave.Context, cfg *config, path string) (*prepared, error) {
	f, err := fit(c, cfg)
	if err != nil {
		return nil, err
	}
	img, err := openUpright(path)
	if err != nil {
		return nil, err
	}
	x, at, err := f.Tensor(img)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &prepared{Preprocess: f, input: x, Image: []int{at.Image.Y, at.Image.X}, Resized: []int{at.Resized.Y, at.Resized.X}}, nil
}

// latency is what bench --json prints.
type latency struct {
	Engine  string         `json:"engine"`
	ISA     string         `json:"isa"`
	Threads int            `json:"threads"`
	Batch   int            `json:"batch"`
	Median  float64        `json:"median_ms"`
	P90     float64        `json:"p90_ms"`
	First   float64        `json:"first_ms"` // opening the file and the first run
	Arena   int            `json:"arena_bytes,omitempty"`
	Weights int            `json:"weight_bytes,omitempty"`
	Profile []operatorTime `json:"profile,omitempty"`

	Findings []evaluate.Finding `json:"criteria,omitempty"`
}

type operatorTime struct {
	Name         string  `json:"name"`
	Kind         string  `json:"kind"`
	Milliseconds float64 `json:"ms"`
	MACs         int64   `json:"macs"`
}

// How many runs go untimed, and for how long: caches and the processor's clock settle.
const (
	warmUp     = 5
	warmUpTime = time.Second
)

// bench is the command bench.
func bench(c *urfave.Context, cfg *config) error {
	path, err := one(c)
	if err != nil {
		return err
	}
	start := time.Now()
	n, err := openNetwork(cfg, path)
	if err != nil {
		return err
	}
	defer n.Close()
	var inputs []*graph.Tensor
	var shape []int
	if cfg.input != "" {
		arrays, err := load.Arrays(cfg.input)
		if err != nil {
			return err
		}
		if inputs, err = verify.InputsFor(n.Graph, arrays); err != nil {
			return fmt.Errorf("%s: %w", cfg.input, err)
		}
	} else if len(n.Graph.Inputs) > 1 {
		return fmt.Errorf("%s: found a network with %d inputs, expected --input FILE.npz with an array for each", path, len(n.Graph.Inputs))
	} else if shape, err = n.shape(cfg, max(cfg.batch, 1)); err != nil {
		return err
	}
	if err := n.start(cfg, shape); err != nil {
		return err
	}
	opened := time.Since(start)
	if inputs == nil {
		x, err := verify.RandomInput(shape, 1)
		if err != nil {
			return err
		}
		inputs = []*graph.Tensor{x}
	}
	once, err := n.timed(c, inputs)
	if err != nil {
		return err
	}
	batch := 1
	if s := inputs[0].Shape; len(s) > 0 {
		batch = s[0]
	}
	r := latency{Engine: cfg.engine, Batch: batch, First: milliseconds(opened + once), ISA: "float64"}
	if r.Threads = cfg.threads; r.Threads == 0 {
		r.Threads = runtime.GOMAXPROCS(0)
	}
	if n.session != nil {
		s := n.session.Stats()
		r.ISA, r.Threads, r.Arena, r.Weights = s.ISA, s.Threads, s.ArenaBytes, s.WeightBytes
	}
	times, err := n.times(c, inputs, cfg.runs)
	if err != nil {
		return err
	}
	r.Median, r.P90 = milliseconds(times[len(times)/2]), milliseconds(times[len(times)*9/10])
	if c.Bool("profile") {
		if r.Profile, err = n.profile(c, inputs, cfg.runs); err != nil {
			return err
		}
	}
	r.Findings = cfg.criteria.JudgeLatency(times[len(times)/2])
	switch {
	case cfg.json:
		err = cli.PrintJSON(c.App.Writer, r)
	case !cfg.quiet:
		r.print(c.App.Writer, path)
	}
	if err == nil && len(r.Findings) > 0 && !evaluate.Met(r.Findings) {
		err = cli.ErrDiffers
	}
	return err
}

func (r latency) print(w io.Writer, path string) {
	fmt.Fprintf(w, "%s: median %.2f ms, 90th percentile %.2f ms, opening and first run %.1f ms (%s engine, %s, %d threads, batch %d)\n",
		path, r.Median, r.P90, r.First, r.Engine, r.ISA, r.Threads, r.Batch)
	for _, op := range r.Profile {
		fmt.Fprintf(w, "%8.3f ms %8.1f MMACs  %-28s %s\n", op.Milliseconds, float64(op.MACs)/1e6, op.Kind, printable.Line(op.Name))
	}
	printFindings(w, r.Findings)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }

// timed runs the network once.
func (n *network) timed(c *urfave.Context, inputs []*graph.Tensor) (time.Duration, error) {
	start := time.Now()
	if _, err := verify.RunAll(c.Context, n.engine, inputs...); err != nil {
		return 0, fmt.Errorf("%s: %w", n.Path, err)
	}
	return time.Since(start), nil
}

// times runs the network the number of times given, after at least one to warm up, and returns
// what each took, in ascending order.
func (n *network) times(c *urfave.Context, inputs []*graph.Tensor, runs int) ([]time.Duration, error) {
	times := make([]time.Duration, 0, runs)
	start := time.Now()
	for warm := 0; len(times) < runs; {
		d, err := n.timed(c, inputs)
		if err != nil {
			return nil, err
		}
		if warm++; warm > warmUp || warm > 1 && time.Since(start)-d > warmUpTime {
			times = append(times, d)
		}
	}
	slices.Sort(times)
	return times, nil
}

// median is the middle one of times.
func (n *network) median(c *urfave.Context, x *graph.Tensor, runs int) (time.Duration, error) {
	times, err := n.times(c, []*graph.Tensor{x}, runs)
	if err != nil {
		return 0, err
	}
	return times[len(times)/2], nil
}

func (n *network) profile(c *urfave.Context, inputs []*graph.Tensor, runs int) ([]operatorTime, error) {
	ops, err := n.session.ProfileInputs(c.Context, inputs, runs)
	if err != nil {
		return nil, err
	}
	return operatorTimes(ops), nil
}

func operatorTimes(ops []infer.OpTime) []operatorTime {
	out := make([]operatorTime, len(ops))
	for i, o := range ops {
		out[i] = operatorTime{o.Name, o.Kind, milliseconds(o.Time), o.MACs}
	}
	return out
}
