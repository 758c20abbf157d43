package cli

import (
	"github.com/urfave/cli/v2"

	"github.com/repvit-go/repvit/pytorch"
)

// Flags that several commands have.

// OutputFlags say what is printed.
func OutputFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "json", Usage: "print one JSON object on standard output"},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print nothing but errors"},
	}
}

// ProgressFlag asks for progress in lines, for programs that show it in their own way.
func ProgressFlag() cli.Flag {
	return &cli.BoolFlag{Name: "progress", Usage: "say how far the work is, in lines where standard error is no terminal"}
}

// ReportFlag asks for a report.
func ReportFlag() cli.Flag {
	return &cli.StringFlag{Name: "report", Usage: "write an HTML report to `FILE`"}
}

// EngineFlags bound what networks take when they are run.
func EngineFlags() []cli.Flag {
	return []cli.Flag{
		&cli.IntFlag{Name: "threads", Usage: "use `N` cores", DefaultText: "all"},
		&cli.IntFlag{Name: "max-memory", Usage: "let a network's values take `MIB` mebibytes", DefaultText: "by weights and input"},
	}
}

// maxMemory bounds --max-memory, in MiB: 64 TiB.
const maxMemory = 1 << 26

// Engine returns what [EngineFlags] say: cores, 0 for all, and bytes, 0 for the default. The
// error is one of usage.
func Engine(c *cli.Context) (threads int, memory int64, err error) {
	if threads = c.Int("threads"); threads < 0 || threads > 1024 {
		return 0, 0, Usagef("--threads %d: expected 0 (all cores) to 1024", threads)
	}
	n := c.Int("max-memory")
	if n < 0 || n > maxMemory || n == 0 && c.IsSet("max-memory") {
		return 0, 0, Usagef("--max-memory %d: expected 1 to %d MiB", n, maxMemory)
	}
	return threads, int64(n) << 20, nil
}

// WeightFlags say which state dict of a checkpoint is read. How they are described differs.
func WeightFlags(ema, key string) []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "ema", Usage: ema},
		&cli.StringFlag{Name: "key", Usage: key},
	}
}

// Weights returns what [WeightFlags] say. The error is one of usage.
func Weights(c *cli.Context) (pytorch.Options, error) {
	w := pytorch.Options{Key: c.String("key"), EMA: c.Bool("ema")}
	if w.EMA && w.Key != "" {
		return w, Usagef("--ema and --key exclude each other")
	}
	return w, nil
}
