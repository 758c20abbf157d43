package verifycmd

import (
	"context"
	"fmt"
	"io"
	"math"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/cli"
	"github.com/repvit-go/repvit/internal/load"
	"github.com/repvit-go/repvit/internal/printable"
	"github.com/repvit-go/repvit/npy"
	"github.com/repvit-go/repvit/quant"
	"github.com/repvit-go/repvit/verify"
)

// verifyModels is the command without a subcommand: what it compares with follows from the
// flags.
func verifyModels(c *urfave.Context, cfg *config) error {
	if cfg.masks != "" || cfg.coco != "" {
		return evaluateDense(c, cfg)
	}
	if cfg.images != "" {
		return evaluateAll(c, cfg)
	}
	return compare(c, cfg, c.Args().First())
}

// compared is a comparison with reference outputs or with another network on one input.
type compared struct {
	verify.Comparison
	network, other *network // other is nil where the reference is a file of arrays
	with           string   // the file of the reference
	inputs         []*graph.Tensor
	madeUp         bool // input was made up
	tolerance      verify.Tolerance
	note           string
}

func compare(c *urfave.Context, cfg *config, path string) error {
	files := []string{path}
	if cfg.against != "" {
		files = append(files, cfg.against)
	}
	networks, err := openNetworks(cfg, files)
	if err != nil {
		return err
	}
	defer closeAll(networks)
	r := &compared{network: networks[0], with: cfg.logits + cfg.expect + cfg.against}
	for i, n := range networks {
		note, err := secondDecoder(n.File)
		if err != nil {
			return err
		}
		if i == 0 {
			r.note = note
		} else {
			r.other = n
		}
	}
	if err := r.run(c.Context, cfg); err != nil {
		return err
	}
	if cfg.report != "" {
		if err := r.writeReport(c.Context, cfg); err != nil {
			return err
		}
	}
	switch {
	case cfg.json:
		err = cli.PrintJSON(c.App.Writer, r.Comparison)
	case !cfg.quiet:
		r.print(c.App.Writer)
	}
	if err == nil && !r.Equal {
		err = cli.ErrDiffers
	}
	return err
}

// run compares. The tolerance is that of the coarser network, unless flags say another.
func (r *compared) run(ctx context.Context, cfg *config) (err error) {
	graphs := []*graph.Graph{r.network.Graph}
	if r.other != nil {
		graphs = append(graphs, r.other.Graph)
	}
	if r.tolerance = verify.ToleranceFor(graphs...); cfg.tolerance != nil {
		r.tolerance = *cfg.tolerance
	}
	if err := r.start(ctx, cfg); err != nil {
		return err
	}
	if r.other != nil {
		r.Comparison, err = verify.CheckInputs(ctx, r.network.engine, r.other.engine, r.inputs, r.tolerance)
	} else {
		r.Comparison, err = r.expect(ctx, cfg)
	}
	if err != nil {
		return fmt.Errorf("%s against %s: %w", r.network.Path, r.with, err)
	}
	if r.madeUp {
		r.Verdict = r.Verdict.Estimated()
	}
	return nil
}

// expect compares with the outputs in a file.
func (r *compared) expect(ctx context.Context, cfg *config) (verify.Comparison, error) {
	if cfg.expect != "" {
		want, err := load.Arrays(cfg.expect)
		if err != nil {
			return verify.Comparison{}, err
		}
		return verify.ExpectInputs(ctx, r.network.engine, r.inputs, want, r.tolerance)
	}
	if n := len(r.network.Graph.Outputs); n != 1 {
		return verify.Comparison{}, fmt.Errorf("found %d outputs, expected one for --logits; give --expect FILE.npz with arrays named as they are: %s", n, outputNames(r.network.Graph))
	}
	want, err := verify.ReadTensor(cfg.logits)
	if err != nil {
		return verify.Comparison{}, err
	}
	result, err := verify.ExpectInputs(ctx, r.network.engine, r.inputs, []npy.Array{{Tensor: want}}, r.tolerance)
	result.Outputs = nil
	return result, err
}

// start reads what --input names and makes the engines. Without it the input is random, or,
// where int8 is judged, made-up images.
func (r *compared) start(ctx context.Context, cfg *config) (err error) {
	var shape []int
	if cfg.input != "" {
		arrays, err := load.Arrays(cfg.input)
		if err != nil {
			return err
		}
		if r.inputs, err = verify.InputsFor(r.network.Graph, arrays); err != nil {
			return fmt.Errorf("%s: %w", cfg.input, err)
		}
	} else if shape, err = r.makeInput(ctx, cfg); err != nil {
		return err
	}
	if err := r.network.start(cfg, shape); err != nil || r.other == nil {
		return err
	}
	return r.other.start(cfg, shape)
}

// makeInput makes an input up, of a shape that both networks take where one of them leaves
// sizes open: as many images as quantizing measures on, or as few as are enough where those
// would take too much memory.
func (r *compared) makeInput(ctx context.Context, cfg *config) ([]int, error) {
	if n := len(r.network.Graph.Inputs); n != 1 {
		return nil, fmt.Errorf("%s: found a network with %d inputs, expected --input FILE.npz with an array for each", r.network.Path, n)
	}
	shape, err := r.shape(cfg, randomBatch)
	if err != nil {
		return nil, err
	}
	if r.madeUp = r.tolerance.Int8; !r.madeUp {
		x, err := verify.RandomInput(shape, 1)
		r.inputs = []*graph.Tensor{x}
		return shape, err
	}
	if more, err := r.shape(cfg, quant.MadeImages(shape)); err == nil {
		shape = more
	}
	x, err := verify.MadeInput(ctx, shape)
	r.inputs = []*graph.Tensor{x}
	return shape, err
}

// shape is that of an input for both networks. The error is of sizes that one of them does not
// take, or that take too much memory, before anything is made of a size that a file declares.
func (r *compared) shape(cfg *config, batch int) ([]int, error) {
	shape, err := r.network.shape(cfg, batch)
	if err == nil && r.other != nil {
		shape, err = r.other.shared(cfg, shape)
	}
	if err != nil {
		return nil, err
	}
	for _, n := range []*network{r.network, r.other} {
		if n != nil {
			if _, err := n.memory(cfg, shape); err != nil {
				return nil, fmt.Errorf("%s: %w", n.Path, err)
			}
		}
	}
	return shape, nil
}

func outputNames(g *graph.Graph) string {
	names := make([]string, len(g.Outputs))
	for i, v := range g.Outputs {
		names[i] = v.Name
	}
	return strings.Join(names, ", ")
}

func (r *compared) print(w io.Writer) {
	verdict := "equal"
	if !r.Equal {
		verdict = "differ"
	}
	fmt.Fprintf(w, "%s and %s: %s (%s)\n", r.network.Path, r.with, verdict, r.figures())
	for _, o := range r.Outputs {
		verdict := "equal"
		if !o.Equal {
			verdict = "differs"
		}
		fmt.Fprintf(w, "%s: %s (largest difference %.3g, relative %.3g)\n", printable.Line(o.Name), verdict, o.MaxAbs, o.RelL2)
	}
	if len(r.NotCompared) > 0 {
		fmt.Fprintf(w, "not compared: %s\n", printable.Line(strings.Join(r.NotCompared, ", ")))
	}
	for _, n := range r.NotFinite {
		network := r.with
		if n.Got {
			network = r.network.Path
		}
		fmt.Fprintf(w, "%s computes numbers that are not finite: %s is the first value with NaN or infinities (float32 ends at 3.4e38, float16 at 65504)\n", network, printable.Line(n.Value))
	}
	if d := r.FirstDivergence; d != nil && r.other != nil && (len(r.NotFinite) == 0 || !math.IsInf(d.MaxAbs, 0)) {
		fmt.Fprintf(w, "the first value that differs is %s, by %.3g\n", printable.Line(d.Value), d.MaxAbs)
	}
	if r.note != "" {
		fmt.Fprintln(w, r.note)
	}
}

// figures are what the verdict rests on.
func (r *compared) figures() string {
	text := fmt.Sprintf("largest difference %.3g, relative %.3g", r.MaxAbs, r.RelL2)
	if r.Verdict != "" {
		on := "given"
		if r.madeUp {
			on = "made-up"
		}
		text = fmt.Sprintf("int8 is %s: SQNR %s dB on %d %s inputs", r.Verdict, decibels(r.SQNR), r.inputs[0].Shape[0], on)
	}
	if r.Top1Agree == r.Top1Agree {
		text += fmt.Sprintf(", same top-1 on %.1f %%", 100*r.Top1Agree)
	}
	if r.madeUp {
		return text + "; --images DIR measures it on real images"
	}
	return text + fmt.Sprintf("; tolerance %v", r.tolerance)
}
