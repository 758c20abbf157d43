package convertcmd

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/cli"
	"github.com/repvit-go/repvit/internal/format"
	"github.com/repvit-go/repvit/internal/load"
	"github.com/repvit-go/repvit/internal/outfile"
	"github.com/repvit-go/repvit/internal/printable"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/pytorch"
	"github.com/repvit-go/repvit/quant"
	"github.com/repvit-go/repvit/reparam"
)

// result is what --json prints for one checkpoint.
type result struct {
	Input      string       `json:"input"`
	Variant    string       `json:"variant"`
	Generation string       `json:"generation"`
	Classes    int          `json:"classes"`
	Distilled  bool         `json:"distilled"`
	Parameters int64        `json:"parameters"`
	MACs       int64        `json:"macs"`
	Head       string       `json:"head,omitempty"`       // where the logits come from, where it is not the network's own head
	Taps       *model.Taps  `json:"taps,omitempty"`       // blocks whose outputs are the feature maps
	StateDict  string       `json:"state_dict,omitempty"` // where in the file the weights are; empty for the file itself
	Warnings   []string     `json:"warnings,omitempty"`
	Notes      []string     `json:"notes,omitempty"`   // what was assumed or taken from the file
	Skipped    []string     `json:"skipped,omitempty"` // objects beside the weights
	Ignored    []string     `json:"ignored,omitempty"`
	Check      *check       `json:"check,omitempty"`
	Quant      *quantResult `json:"quant,omitempty"`
	Output     output       `json:"output"`
	Seconds    float64      `json:"seconds"`

	parts  []model.Part
	report *quant.Report
}

type output struct {
	Path   string `json:"path"`
	Format string `json:"format"`
	Opset  int    `json:"opset,omitempty"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256,omitempty"`
}

// convertAll converts every checkpoint; one that fails does not stop the others.
func convertAll(ctx context.Context, cfg *config, args []string, stdout, stderr io.Writer) error {
	checkpoints, err := expand(args, func(text string) {
		if !cfg.quiet {
			fmt.Fprintln(stderr, "repvit-convert: "+text)
		}
	})
	if err != nil {
		return err
	}
	cfg.sameName = map[string]int{}
	for _, c := range checkpoints {
		cfg.sameName[baseName(c)]++
	}
	if err := outfile.Check(append(cfg.inputs, checkpoints...), cfg.outputs(checkpoints)); err != nil {
		return err
	}
	if cfg.outputDir != "" {
		if err := os.MkdirAll(cfg.outputDir, 0o777); err != nil {
			return err
		}
	}
	var results []*result
	var failures []error
	for _, path := range checkpoints {
		r, err := convert(ctx, cfg, path, stderr)
		if err = cli.AllowMore(err); err != nil {
			if len(checkpoints) == 1 || ctx.Err() != nil {
				return err
			}
			failures = append(failures, err)
			continue
		}
		results = append(results, r)
		for _, warning := range r.Warnings {
			fmt.Fprintf(stderr, "repvit-convert: %s: warning: %s\n", printable.Line(path), printable.Line(warning))
		}
		if !cfg.quiet && !cfg.json {
			r.print(stderr, cfg)
		}
	}
	if cfg.json {
		if err := printResults(stdout, len(checkpoints), results, failures); err != nil {
			return err
		}
	}
	for _, err := range failures {
		fmt.Fprintf(stderr, "repvit-convert: %s\n", printable.Line(err.Error()))
	}
	if len(failures) > 0 {
		return fmt.Errorf("%d of %d checkpoints failed", len(failures), len(checkpoints))
	}
	return nil
}

func printResults(w io.Writer, checkpoints int, results []*result, failures []error) error {
	if checkpoints == 1 && len(results) == 1 {
		return cli.PrintJSON(w, results[0])
	}
	texts := make([]string, 0, len(failures))
	for _, err := range failures {
		texts = append(texts, err.Error())
	}
	return cli.PrintJSON(w, map[string]any{"results": slices.Concat([]*result{}, results), "failures": texts})
}

// expand replaces folders by the checkpoints that stand in them, and says what it passes over.
// A folder that one checkpoint was unpacked into stands for itself.
func expand(args []string, said func(string)) ([]string, error) {
	var out []string
	for _, a := range args {
		info, err := os.Stat(a)
		if err != nil || !info.IsDir() || pytorch.IsFolder(a) {
			out = append(out, a)
			continue
		}
		entries, err := os.ReadDir(a)
		if err != nil {
			return nil, err
		}
		n := len(out)
		var passed []string
		for _, e := range entries {
			switch {
			case e.IsDir():
			case format.IsCheckpointName(e.Name()):
				out = append(out, filepath.Join(a, e.Name()))
			default:
				passed = append(passed, printable.Line(e.Name()))
			}
		}
		if len(out) == n {
			return nil, fmt.Errorf("%s: found no checkpoints in the folder, expected files ending in %s", a, strings.Join(format.Checkpoint.Extensions, ", "))
		}
		if len(passed) > 0 {
			const most = 8
			more := ""
			if len(passed) > most {
				more = fmt.Sprintf(" and %d more", len(passed)-most)
			}
			said(fmt.Sprintf("%s: passing over %s%s: not named like checkpoints", a, strings.Join(passed[:min(most, len(passed))], ", "), more))
		}
	}
	return out, nil
}

// convert turns one checkpoint into its output file, which gets its name last of all.
func convert(ctx context.Context, cfg *config, path string, stderr io.Writer) (*result, error) {
	start := time.Now()
	labels, err := readLabels(cfg.labels)
	if err != nil {
		return nil, err
	}
	in, err := load.Open(path, load.Options{Weights: cfg.weights, Model: func(s model.Stated) model.Options { return cfg.modelOptions(labels, s) }})
	if err != nil {
		return nil, err
	}
	defer in.Close()
	if cfg, err = cfg.of(in); err != nil {
		return nil, err
	}
	target := cfg.outputFor(path)
	form, err := cfg.formatOf(target)
	if err != nil {
		return nil, err
	}
	r := &result{Input: path}
	training := in.Graph
	r.assumed(in, cfg)
	in.Sign(cli.Version())
	deploy := training
	if cfg.fuse {
		deploy = reparam.Fuse(training)
	}
	g := deploy
	switch {
	case cfg.quant:
		if g, err = quantize(ctx, cfg, training, deploy, r, stderr); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		g.Metadata[model.MetaQuantization] = r.Quant.Scheme
	case cfg.half:
		g = quant.Half(deploy)
	}
	out, err := outfile.Create(target)
	if err != nil {
		return nil, err
	}
	defer out.Discard()
	if r.Output, err = encode(out, g, target, form, cfg); err != nil {
		return nil, fmt.Errorf("%s: %w", target, err)
	}
	if err := r.describe(in, deploy, cfg); err != nil { // while the disk works
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if cfg.check {
		if r.Check, err = prove(ctx, cfg, training, deploy, g, out, form); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if cfg.report != "" {
		if err := writeReport(ctx, cfg, r, training, deploy, g); err != nil {
			return nil, err
		}
	}
	if err := out.Commit(); err != nil {
		return nil, err
	}
	r.Seconds = time.Since(start).Seconds()
	return r, nil
}

// assumed says what was taken from the file by a rule, or for lack of a statement.
func (r *result) assumed(in *load.File, cfg *config) {
	if in.Model == nil {
		return
	}
	m := in.Model
	r.Warnings, r.Notes, r.Head = slices.Clone(m.Warnings), slices.Clone(m.Notes), m.Info.Head
	if m.Info.Taps.Rule != "" {
		r.Taps = &m.Info.Taps
		r.Notes = append(r.Notes, fmt.Sprintf("feature maps are the outputs of blocks %s (%s)", strings.Trim(fmt.Sprint(m.Info.Taps.Blocks), "[]"), m.Info.Taps.Rule))
	}
	if r.StateDict = in.State.Name(); r.StateDict != "" {
		r.Notes = append(r.Notes, fmt.Sprintf("weights under %q", r.StateDict))
	}
	if !in.State.Averaged() {
		for _, s := range in.Networks() {
			if s.Averaged() {
				r.Notes = append(r.Notes, fmt.Sprintf("averaged weights are in the file as well, under %q; --ema takes them", s.Name()))
				break
			}
		}
	}
	r.Notes = append(r.Notes, m.Stated...)
	r.Skipped = in.Checkpoint.Skipped()
}

func (r *result) describe(in *load.File, deploy *graph.Graph, cfg *config) error {
	info := model.InfoOf(deploy)
	if in.Model != nil {
		info = in.Model.Info
		r.Ignored = in.Model.Ignored
	}
	r.Variant, r.Generation, r.Classes, r.Distilled = info.Variant, info.Generation, info.Classes, info.Distilled
	r.Parameters = deploy.Parameters()
	h, w := cfg.resolution()
	var err error
	if r.parts, err = model.Parts(deploy, h, w); err != nil {
		return err
	}
	for _, p := range r.parts {
		r.MACs += p.MACs
	}
	return nil
}

// encode writes the graph and says what was written.
func encode(w io.Writer, g *graph.Graph, path string, f *format.Format, cfg *config) (output, error) {
	out := output{Path: path, Format: f.Name}
	count := &counter{w: w}
	if cfg.json {
		count.sum = sha256.New()
	}
	if f.Opset {
		out.Opset = cfg.opset
	}
	err := f.Encode(count, g, format.Options{Opset: cfg.opset})
	out.Bytes = count.n
	if count.sum != nil {
		out.SHA256 = hex.EncodeToString(count.sum.Sum(nil))
	}
	return out, err
}

// counter counts and hashes what passes through.
type counter struct {
	w   io.Writer
	n   int64
	sum hash.Hash // nil for none
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	if c.sum != nil {
		c.sum.Write(p[:n])
	}
	return n, err
}

// print writes the human summary.
func (r *result) print(w io.Writer, cfg *config) {
	what := fmt.Sprintf("%d classes", r.Classes)
	if r.Classes == 0 {
		what = "no classes"
	}
	fmt.Fprintf(w, "%s: %s, %s form, %s, %.2f M parameters, %.3f GMACs\n", printable.Line(r.Input), r.Variant, r.Generation, what,
		float64(r.Parameters)/1e6, float64(r.MACs)/1e9)
	for _, n := range r.Notes {
		fmt.Fprintf(w, "  %s\n", printable.Line(n))
	}
	if len(r.Skipped) > 0 {
		fmt.Fprintf(w, "  skipped, not run: %s\n", printable.Line(strings.Join(r.Skipped, ", ")))
	}
	if len(r.Ignored) > 0 {
		fmt.Fprintf(w, "  ignored %d keys outside the network, the first is %q\n", len(r.Ignored), r.Ignored[0])
	}
	if q := r.Quant; q != nil {
		fmt.Fprintf(w, "  %s, calibrated on %s (%d samples)\n  %s\n", q.Scheme, q.Calibration, q.Samples, q.verdict())
		if n := len(q.KeptFloat); n > 0 {
			fmt.Fprintf(w, "  %d layers stay in float, the most sensitive is %s\n", n, q.KeptFloat[0])
		}
	}
	for _, line := range r.Check.lines(cfg) {
		fmt.Fprintf(w, "  %s\n", printable.Line(line))
	}
	opset := ""
	if r.Output.Opset != 0 {
		opset = fmt.Sprintf(" opset %d", r.Output.Opset)
	}
	fmt.Fprintf(w, "  wrote %s: %s%s, %.1f MB, in %.2f s\n", r.Output.Path, r.Output.Format, opset, float64(r.Output.Bytes)/1e6, r.Seconds)
}

var errNotFinite = errors.New("float32 (up to 3.4e38, float16 to 65504) does not hold the values, so nothing can be proven and nothing was written; --no-check writes it unproven")

var errCheck = errors.New("the result does not compute what the checkpoint computes; nothing was written")
