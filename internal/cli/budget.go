package cli

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/repvit-go/repvit/graph"
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

// AllowMore names the flag in an error that it can help against.
func AllowMore(err error) error {
	if errors.Is(err, graph.ErrBudget) {
		return fmt.Errorf("%w; --max-memory allows more", err)
	}
	return err
}
