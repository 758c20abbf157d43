package convertcmd

import (
	"context"
	"fmt"

	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/internal/cli"
	"github.com/repvit-go/repvit/internal/load"
	"github.com/repvit-go/repvit/npy"
	"github.com/repvit-go/repvit/verify"
)

// reference is an input and what PyTorch computed for it.
type reference struct {
	input, expect string      // the files' names, empty for none
	x, y          []npy.Array // x is one array
}

// readReference reads what --input and --expect name. Without --size the network gets the
// input's size.
func (cfg *config) readReference() (err error) {
	if cfg.input == "" {
		return nil
	}
	if cfg.x, err = load.Arrays(cfg.input); err != nil {
		return err
	}
	if cfg.y, err = load.Arrays(cfg.expect); err != nil {
		return err
	}
	if len(cfg.x) != 1 {
		return fmt.Errorf("%s: found %d arrays, expected one, the network's input", cfg.input, len(cfg.x))
	}
	shape := cfg.x[0].Tensor.Shape
	switch {
	case len(shape) != 4 || cfg.x[0].Tensor.Len() == 0:
		return fmt.Errorf("%s: found an array of shape %v, expected N×3×H×W", cfg.input, shape)
	case cfg.batch > 0 && shape[0] != cfg.batch:
		return cli.Usagef("--batch %d with %s, whose batch is %d", cfg.batch, cfg.input, shape[0])
	case !cfg.sized:
		cfg.height, cfg.width, cfg.sized = shape[2], shape[3], true
	case cfg.height > 0 && (shape[2] != cfg.height || shape[3] != cfg.width):
		return cli.Usagef("--size %dx%d with %s, whose size is %dx%d", cfg.height, cfg.width, cfg.input, shape[2], shape[3])
	}
	return nil
}

// check holds a network against the reference; a difference is an error.
func (r *reference) check(ctx context.Context, s *infer.Session) (*verify.Comparison, error) {
	x, err := verify.InputFor(s.Graph(), r.x)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.input, err)
	}
	tolerance := verify.ToleranceFor(s.Graph())
	c, err := verify.Expect(ctx, s, x, r.y, tolerance)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.expect, err)
	}
	if !c.Equal {
		return nil, fmt.Errorf("%s: found a difference of %.2g in %q, expected at most %v: the network as it was read from the checkpoint does not compute for %s what %s holds: "+
			"it was read wrongly, or these are not its outputs in eval mode; nothing was written", r.expect, c.FirstDivergence.MaxAbs, c.FirstDivergence.Value, tolerance, r.input, r.expect)
	}
	return &c, nil
}
