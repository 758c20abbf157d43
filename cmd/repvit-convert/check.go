package main

import (
	"context"
	"fmt"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/internal/load"
	"github.com/repvit-go/repvit/internal/mmap"
	"github.com/repvit-go/repvit/internal/outfile"
	"github.com/repvit-go/repvit/native"
	"github.com/repvit-go/repvit/onnx"
	"github.com/repvit-go/repvit/verify"
)

// check is what the proof found.
type check struct {
	MaxAbs    float64 `json:"max_abs"`
	RelL2     float64 `json:"rel_l2"`
	Top1Agree float64 `json:"top1_agree"`
	SQNR      float64 `json:"-"`

	inputs int
}

// checkSeed makes every check use the same input.
const checkSeed = 1

// halfTolerance is what rounding every value to float16, eleven significant bits, may cost.
var halfTolerance = verify.Tolerance{Abs: 1e-2, Rel: 1e-2}

// prove reads the finished file back and runs it and the checkpoint's own network on the
// same input. A float32 file must give equal outputs; rounding to float16 or int8 is not
// equality, so there the fused network is what is proven, and the file must come as close
// as its format can.
func prove(ctx context.Context, cfg *config, training, deploy *graph.Graph, out *outfile.File, format string) (*check, error) {
	content, err := out.Content()
	if err != nil {
		return nil, err
	}
	m, err := mmap.Of(content)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	written, err := decodeOutput(m.Data, format)
	if err != nil {
		return nil, fmt.Errorf("reading the result back: %w", err)
	}
	h, w := cfg.resolution()
	x, err := verify.RandomInput(load.InputShape(training, 2, h, w), checkSeed)
	if err != nil {
		return nil, err
	}
	graphs := []*graph.Graph{training, written}
	tolerance := verify.DefaultTolerance
	switch {
	case cfg.quant:
		graphs[1] = deploy
	case cfg.half:
		tolerance = halfTolerance
	}
	engines := make([]verify.Engine, len(graphs))
	for i, g := range graphs {
		s, err := infer.New(g, infer.Options{Threads: cfg.threads, MaxMemory: cfg.maxMemory})
		if err != nil {
			return nil, err
		}
		defer s.Close()
		engines[i] = s
	}
	c, err := verify.Check(ctx, engines[0], engines[1], x, tolerance)
	if err != nil {
		return nil, err
	}
	if !c.Equal {
		where := ""
		if d := c.FirstDivergence; d != nil {
			where = fmt.Sprintf("; the first value that differs is %s, by %.2g", d.Value, d.MaxAbs)
		}
		return nil, fmt.Errorf("found a difference of %.2g in the output, expected at most %v + %v·|output|%s: %w", c.MaxAbs, tolerance.Abs, tolerance.Rel, where, errCheck)
	}
	if cfg.quant {
		if err := runs(ctx, cfg, written, x); err != nil {
			return nil, fmt.Errorf("running the result: %w", err)
		}
	}
	return &check{MaxAbs: c.MaxAbs, RelL2: c.RelL2, Top1Agree: c.Top1Agree, inputs: x.Shape[0]}, nil
}

// runs makes sure that a quantized file can be run.
func runs(ctx context.Context, cfg *config, g *graph.Graph, x *graph.Tensor) error {
	s, err := infer.New(g, infer.Options{Threads: cfg.threads, MaxMemory: cfg.maxMemory})
	if err != nil {
		return err
	}
	defer s.Close()
	_, err = s.Run(ctx, x)
	return err
}

func decodeOutput(data []byte, format string) (*graph.Graph, error) {
	if format == formatNative {
		return native.Decode(data)
	}
	m, err := onnx.Decode(data)
	if err != nil {
		return nil, err
	}
	return m.Graph, nil
}
