package convertcmd

import (
	"fmt"

	"github.com/repvit-go/repvit/convert"
	"github.com/repvit-go/repvit/internal/cli"
	"github.com/repvit-go/repvit/internal/load"
)

// readReference reads what --input and --expect name.
func (cfg *config) readReference(input, expect string) error {
	if input == "" {
		return nil
	}
	x, err := load.Arrays(input)
	if err != nil {
		return err
	}
	y, err := load.Arrays(expect)
	if err != nil {
		return err
	}
	if len(x) != 1 {
		return fmt.Errorf("%s: found %d arrays, expected one, the network's input", input, len(x))
	}
	m, shape := cfg.options.Model, x[0].Tensor.Shape
	switch {
	case len(shape) != 4 || x[0].Tensor.Len() == 0:
		return fmt.Errorf("%s: found an array of shape %v, expected N×3×H×W", input, shape)
	case m.Batch > 0 && shape[0] != m.Batch:
		return cli.Usagef("--batch %d with %s, whose batch is %d", m.Batch, input, shape[0])
	case m.Height > 0 && (shape[2] != m.Height || shape[3] != m.Width):
		return cli.Usagef("--size %dx%d with %s, whose size is %dx%d", m.Height, m.Width, input, shape[2], shape[3])
	}
	cfg.options.Reference = &convert.Reference{Input: x[0], Expect: y, InputName: input, ExpectName: expect}
	return nil
}
