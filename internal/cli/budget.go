package cli

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/pytorch"
)

// maxMemory bounds --max-memory, in MiB: 64 TiB.
const maxMemory = 1 << 26

// MaxMemoryFlag is the commands' flag for networks that need more than their budget.
func MaxMemoryFlag() cli.Flag {
	return &cli.IntFlag{Name: "max-memory", Usage: "let a network's values take `MIB` mebibytes", DefaultText: "by weights and input"}
}

// MaxMemory returns the flag's value in bytes, 0 for the default. The error is one of usage.
func MaxMemory(c *cli.Context) (int64, error) {
	n := c.Int("max-memory")
	if n < 0 || n > maxMemory || n == 0 && c.IsSet("max-memory") {
		return 0, Usagef("--max-memory %d: expected 1 to %d MiB", n, maxMemory)
	}
	return int64(n) << 20, nil
}

// Hint names the flag that helps in an error of a library, which knows none.
func Hint(err error) error {
	if errors.Is(err, graph.ErrBudget) {
		return fmt.Errorf("%w; --max-memory allows more", err)
	}
	for _, h := range []struct {
		is    error
		flags string
	}{
		{pytorch.ErrAmbiguous, "--key NAME"},
		{model.ErrStrides, "--strides"},
		{model.ErrTaps, "--taps"},
		{model.ErrHead, "--ignore-head, --embedding or --features"},
	} {
		if errors.Is(err, h.is) {
			return fmt.Errorf("%w (%s)", err, h.flags)
		}
	}
	return err
}
