package main

import (
	"fmt"
	"io"
	"math"
	"path/filepath"
	"text/tabwriter"
	"time"

	urfave "github.com/urfave/cli/v2"

	"github.com/repvit-go/repvit/internal/cli"
	"github.com/repvit-go/repvit/verify"
)

// evaluated is one network's result on a folder of images.
type evaluated struct {
	network *network
	*verify.Evaluation
	latency time.Duration // of one image; 0 where it was not measured
}

// evaluate runs one or several networks over a folder of images. With several, the first
// is what the others are compared with, unless --against names another.
func evaluate(c *urfave.Context, cfg *config) error {
	paths := c.Args().Slice()
	table := len(paths) > 1
	var against *network
	if cfg.against != "" {
		n, err := openNetwork(cfg, cfg.against)
		if err != nil {
			return err
		}
		defer n.Close()
		against = n
	}
	progress := cli.NewProgress(c.App.ErrWriter, cfg.quiet)
	defer progress.Done()
	var all []evaluated
	for _, path := range paths {
		n, err := openNetwork(cfg, path)
		if err != nil {
			return err
		}
		defer n.Close()
		r, err := evaluateOne(c, cfg, n, against, func(done, total int) { progress.Update(filepath.Base(path), done, total) })
		if err != nil {
			return err
		}
		if table {
			if r.latency, err = n.latency(c, cfg); err != nil {
				return err
			}
			if against == nil {
				against = n
			}
		}
		all = append(all, r)
	}
	progress.Done()
	if cfg.report != "" {
		if err := reportImages(c.Context, cfg, all, against); err != nil {
			return err
		}
	}
	switch {
	case cfg.json && table:
		return printTableJSON(c.App.Writer, all)
	case cfg.json:
		return cli.PrintJSON(c.App.Writer, all[0].Evaluation)
	case cfg.quiet:
		return nil
	case table:
		return printTable(c.App.Writer, all)
	}
	r := all[0]
	fmt.Fprintf(c.App.Writer, "%s on %d images of %s: %.0f images/s\n", r.network.Path, r.Images, cfg.images, r.ImagesPerSecond)
	if r.Labelled {
		fmt.Fprintf(c.App.Writer, "top-1 %.2f %%, top-5 %.2f %%\n", 100*r.Top1, 100*r.Top5)
	}
	if r.Compared {
		fmt.Fprintf(c.App.Writer, "same top-1 as %s on %.2f %%, SQNR %s dB\n", against.Path, 100*r.Agree, decibels(r.SQNR))
	}
	return nil
}

func evaluateOne(c *urfave.Context, cfg *config, n, against *network, progress func(done, total int)) (evaluated, error) {
	p, err := n.images(cfg)
	if err != nil {
		return evaluated{}, err
	}
	o := verify.Images{Engine: n.engine, Dir: cfg.images, Labels: cfg.labels, Preprocess: p, Threads: cfg.threads, Progress: progress}
	if against != nil {
		o.Against = against.engine
	}
	e, err := verify.Evaluate(c.Context, o)
	if err != nil {
		return evaluated{}, err
	}
	return evaluated{network: n, Evaluation: e}, nil
}

// latencyRuns is how often a network is run for its latency in a table.
const latencyRuns = 20

// latency is the median time for one image.
func (n *network) latency(c *urfave.Context, cfg *config) (time.Duration, error) {
	shape, err := n.shape(cfg, 1)
	if err != nil {
		return 0, err
	}
	x, err := verify.RandomInput(shape, 1)
	if err != nil {
		return 0, err
	}
	return n.median(c, x, latencyRuns)
}

// row is a line of a comparison of runs, as JSON.
type row struct {
	Model   string             `json:"model"`
	Bytes   int64              `json:"bytes"`
	Latency float64            `json:"latency_ms"`
	Result  *verify.Evaluation `json:"result"`
}

func printTableJSON(w io.Writer, all []evaluated) error {
	rows := make([]row, len(all))
	for i, r := range all {
		rows[i] = row{r.network.Path, r.network.Size, milliseconds(r.latency), r.Evaluation}
	}
	return cli.PrintJSON(w, map[string]any{"models": rows})
}

func printTable(w io.Writer, all []evaluated) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "model\tMB\tlatency ms\ttop-1 %\ttop-5 %\tagreement %\tSQNR dB\t")
	percent := func(known bool, x float64) string {
		if !known {
			return ""
		}
		return fmt.Sprintf("%.2f", 100*x)
	}
	for _, r := range all {
		sqnr := ""
		if r.Compared {
			sqnr = decibels(r.SQNR)
		}
		fmt.Fprintf(t, "%s\t%.1f\t%.2f\t%s\t%s\t%s\t%s\t\n", r.network.Path, float64(r.network.Size)/1e6, milliseconds(r.latency),
			percent(r.Labelled, r.Top1), percent(r.Labelled, r.Top5), percent(r.Compared, r.Agree), sqnr)
	}
	return t.Flush()
}

func decibels(x float64) string {
	if math.IsInf(x, 1) {
		return "∞"
	}
	return fmt.Sprintf("%.1f", x)
}
