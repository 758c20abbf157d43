package main

import (
	"context"
	"fmt"
	"io"
	"math"

	urfave "github.com/urfave/cli/v2"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/cli"
	"github.com/repvit-go/repvit/internal/printable"
	"github.com/repvit-go/repvit/verify"
)

// verifyModels is the command without a subcommand: what it compares with follows from the
// flags.
func verifyModels(c *urfave.Context, cfg *config) error {
	switch {
	case cfg.images != "":
		if cfg.input != "" || cfg.logits != "" {
			return cli.Usagef("--images excludes --input and --logits")
		}
		return evaluate(c, cfg)
	case cfg.labels != "":
		return cli.Usagef("--labels needs --images")
	case cfg.logits != "" && cfg.against != "":
		return cli.Usagef("--logits and --against exclude each other")
	case cfg.logits != "" && cfg.input == "":
		return cli.Usagef("--logits needs --input")
	case cfg.logits == "" && cfg.against == "":
		return cli.Usagef("nothing to compare with: give --logits, --against or --images")
	}
	path, err := one(c)
	if err != nil {
		return err
	}
	return compare(c, cfg, path)
}

// compare is a comparison with reference logits or another network on one input.
func compare(c *urfave.Context, cfg *config, path string) error {
	n, err := openNetwork(cfg, path)
	if err != nil {
		return err
	}
	defer n.Close()
	note, err := secondDecoder(n.File)
	if err != nil {
		return err
	}
	var other *network
	if cfg.against != "" {
		if other, err = openNetwork(cfg, cfg.against); err != nil {
			return err
		}
		defer other.Close()
		if _, err := secondDecoder(other.File); err != nil {
			return err
		}
	}
	x, err := n.input(cfg, other)
	if err != nil {
		return err
	}
	var result verify.Comparison
	with := cfg.logits
	if cfg.logits != "" {
		result, err = compareLogits(c.Context, cfg, n, x)
	} else {
		with = cfg.against
		if result, err = verify.Check(c.Context, other.engine, n.engine, x, cfg.tolerance); err != nil {
			err = fmt.Errorf("%s against %s: %w", path, cfg.against, err)
		}
	}
	if err != nil {
		return err
	}
	if cfg.report != "" {
		if err := reportComparison(c.Context, cfg, n, other, x, result); err != nil {
			return err
		}
	}
	switch {
	case cfg.json:
		err = cli.PrintJSON(c.App.Writer, result)
	case !cfg.quiet:
		printComparison(c.App.Writer, cfg, path, with, note, result)
	}
	if err == nil && !result.Equal {
		err = cli.ErrDiffers
	}
	return err
}

// input is what --input names, or random, of a shape that both networks take where one of
// them leaves sizes open.
func (n *network) input(cfg *config, other *network) (*graph.Tensor, error) {
	if cfg.input != "" {
		return readInput(cfg.input)
	}
	shape, err := n.shape(cfg, randomBatch)
	if err != nil {
		return nil, err
	}
	if other != nil {
		for i, d := range other.Graph.Inputs[0].Type.Shape {
			if d.Known() && i < len(shape) {
				shape[i] = d.Size
			}
		}
		if cfg.maxMemory == 0 {
			if _, err := n.allowed(cfg, shape); err != nil {
				return nil, fmt.Errorf("%s against %s: %w", n.Path, other.Path, err)
			}
		}
	}
	return verify.RandomInput(shape, 1)
}

func compareLogits(ctx context.Context, cfg *config, n *network, x *graph.Tensor) (verify.Comparison, error) {
	want, err := verify.ReadTensor(cfg.logits)
	if err != nil {
		return verify.Comparison{}, err
	}
	if x, err = verify.Fit(n.Graph, x); err != nil {
		return verify.Comparison{}, fmt.Errorf("%s: %w", cfg.input, err)
	}
	got, err := n.engine.Run(ctx, x)
	if err != nil {
		return verify.Comparison{}, fmt.Errorf("%s on %s: %w", n.Path, cfg.input, err)
	}
	result, err := verify.Compare(got, want, cfg.tolerance)
	if err == nil && !result.Equal {
		var name string
		if name, err = verify.FirstNotFinite(ctx, n.engine, x); name != "" {
			result.NotFinite = []verify.NotFinite{{Got: true, Value: name}}
		}
	}
	if err != nil {
		return result, fmt.Errorf("%s against %s: %w", n.Path, cfg.logits, err)
	}
	return result, nil
}

func printComparison(w io.Writer, cfg *config, path, with, note string, r verify.Comparison) {
	verdict := "equal"
	if !r.Equal {
		verdict = "differ"
	}
	fmt.Fprintf(w, "%s and %s: %s (largest difference %.3g, relative %.3g, same top-1 on %.1f %%; tolerance %v)\n",
		path, with, verdict, r.MaxAbs, r.RelL2, 100*r.Top1Agree, cfg.tolerance)
	for _, n := range r.NotFinite {
		network := with
		if n.Got {
			network = path
		}
		fmt.Fprintf(w, "%s computes numbers that are not finite: %s is the first value with NaN or infinities (float32 ends at 3.4e38, float16 at 65504)\n", network, printable.Line(n.Value))
	}
	if d := r.FirstDivergence; d != nil && (len(r.NotFinite) == 0 || !math.IsInf(d.MaxAbs, 0)) {
		fmt.Fprintf(w, "the first value that differs is %s, by %.3g\n", printable.Line(d.Value), d.MaxAbs)
	}
	if note != "" {
		fmt.Fprintln(w, note)
	}
}
