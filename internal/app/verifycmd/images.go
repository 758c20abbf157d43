package verifycmd

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	urfave "github.com/urfave/cli/v2"

	"github.com/repvit-go/repvit/evaluate"
	"github.com/repvit-go/repvit/internal/cli"
	"github.com/repvit-go/repvit/internal/printable"
	"github.com/repvit-go/repvit/verify"
)

// evaluated is one network's result on a folder of images.
type evaluated struct {
	network *network
	*evaluate.Result
	latency time.Duration // of one image; 0 where it was not measured
}

// evaluateAll runs one or several networks over a folder of images. With several, the first
// is what the others are compared with, unless --against names another.
func evaluateAll(c *urfave.Context, cfg *config) error {
	paths := c.Args().Slice()
	table := len(paths) > 1
	if cfg.against != "" {
		paths = append(paths, cfg.against)
	}
	networks, err := openNetworks(cfg, paths)
	if err != nil {
		return err
	}
	defer closeAll(networks)
	for _, n := range networks {
		shape, err := n.shape(cfg, imagesBatch)
		if err != nil {
			return err
		}
		if err := n.start(cfg, shape); err != nil {
			return err
		}
	}
	var against *network
	if cfg.against != "" {
		against = networks[len(networks)-1]
		networks = networks[:len(networks)-1]
	}
	progress := cli.NewProgress(c.App.ErrWriter, cfg.quiet, c.Bool("progress"))
	defer progress.Done()
	var all []evaluated
	for _, n := range networks {
		r, err := evaluateOne(c, cfg, n, against, func(done, total int) { progress.Update(filepath.Base(n.Path), done, total) })
		if err != nil {
			return err
		}
		if table || cfg.criteria.MaxLatency != nil {
			if r.latency, err = n.latency(c, cfg); err != nil {
				return err
			}
		}
		if err := r.judge(cfg.criteria); err != nil {
			return err
		}
		if table && against == nil {
			against = n
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
	case cfg.json:
		err = printRows(c.App.Writer, all)
	case cfg.quiet:
	case table:
		err = printTable(c.App.Writer, all)
	default:
		printEvaluation(c.App.Writer, cfg, all[0], against)
	}
	if judged, met := allMet(all); err == nil && judged && !met {
		err = cli.ErrDiffers
	}
	return err
}

// judge holds an evaluation against the criteria. The first of several models is what the
// others are compared with, so no comparison is asked of it.
func (r *evaluated) judge(c evaluate.Criteria) (err error) {
	if !r.Compared {
		c.MaxDrop, c.MinAgreement, c.MinSQNR = nil, nil, nil
	}
	if r.Findings, err = c.Judge(r.Result); err != nil {
		return fmt.Errorf("%s: %w", r.network.Path, err)
	}
	r.Findings = append(r.Findings, c.JudgeLatency(r.latency)...)
	return nil
}

// allMet reports whether there were criteria, and whether all are met.
func allMet(all []evaluated) (judged, met bool) {
	var findings []evaluate.Finding
	for _, r := range all {
		findings = append(findings, r.Findings...)
	}
	return len(findings) > 0, evaluate.Met(findings)
}

func printEvaluation(w io.Writer, cfg *config, r evaluated, against *network) {
	fmt.Fprintf(w, "%s on %s of %s: %.0f images/s\n", r.network.Path, imageCount(r.Images, r.Broken), cfg.images, r.ImagesPerSecond)
	if r.Labelled {
		fmt.Fprintf(w, "top-1 %.2f %%, top-5 %.2f %%\n", 100*r.Top1, 100*r.Top5)
	}
	if r.Compared {
		fmt.Fprintf(w, "same top-1 as %s on %.2f %%, SQNR %s dB\n", against.Path, 100*r.Agree, decibels(r.SQNR))
	}
	printBroken(w, r.Broken)
	printFindings(w, r.Findings)
}

// imageCount says how many images were checked, and of how many if some were left out.
func imageCount(images int, broken []evaluate.Broken) string {
	if len(broken) == 0 {
		return fmt.Sprintf("%d images", images)
	}
	return fmt.Sprintf("%d of %d images", images, images+len(broken))
}

// shownBroken bounds the images left out that are listed.
const shownBroken = 5

// brokenLines are the first images left out, and how many more there are.
func brokenLines(all []evaluate.Broken) (lines []string) {
	for _, b := range all[:min(len(all), shownBroken)] {
		lines = append(lines, printable.Line(b.File+": "+b.Reason))
	}
	if more := len(all) - shownBroken; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more; --json lists all", more))
	}
	return lines
}

func printBroken(w io.Writer, all []evaluate.Broken) {
	if len(all) > 0 {
		fmt.Fprintf(w, "left out, because they cannot be decoded: %d\n  %s\n", len(all), strings.Join(brokenLines(all), "\n  "))
	}
}

func printFindings(w io.Writer, findings []evaluate.Finding) {
	for _, f := range findings {
		fmt.Fprintln(w, f)
	}
}

func evaluateOne(c *urfave.Context, cfg *config, n, against *network, progress func(done, total int)) (evaluated, error) {
	p, err := n.images(cfg)
	if err != nil {
		return evaluated{}, err
	}
	o := evaluate.Images{Engine: n.engine, Dir: cfg.images, Labels: cfg.labels, Names: n.labels(), Strict: cfg.strict, Upright: cfg.upright, Preprocess: p, Threads: cfg.threads, Progress: progress}
	if against != nil {
		o.Against = against.engine
	}
	e, err := evaluate.Run(c.Context, o)
	if err != nil {
		return evaluated{}, err
	}
	return evaluated{network: n, Result: e}, nil
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

// row is a network's figures beside its result, as JSON.
type row struct {
	Model   string   `json:"model"`
	Bytes   int64    `json:"bytes"`
	Latency *float64 `json:"latency_ms,omitempty"` // where it was measured
}

func printRows(w io.Writer, all []evaluated) (err error) {
	rows := make([]json.RawMessage, len(all))
	for i, e := range all {
		r := row{Model: e.network.Path, Bytes: e.network.Size}
		if e.latency > 0 {
			ms := milliseconds(e.latency)
			r.Latency = &ms
		}
		if rows[i], err = cli.Merge(r, e.Result); err != nil {
			return err
		}
	}
	return cli.PrintResults(w, rows, nil)
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
	if err := t.Flush(); err != nil {
		return err
	}
	if broken := all[0].Broken; len(broken) > 0 { // of all networks the same
		fmt.Fprintf(w, "checked %s\n", imageCount(all[0].Images, broken))
		printBroken(w, broken)
	}
	for _, r := range all {
		for _, f := range r.Findings {
			fmt.Fprintf(w, "%s, %s\n", r.network.Path, f)
		}
	}
	return nil
}

func decibels(x float64) string {
	if math.IsInf(x, 1) {
		return "∞"
	}
	return fmt.Sprintf("%.1f", x)
}
