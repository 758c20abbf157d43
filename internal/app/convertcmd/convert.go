package convertcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"github.com/repvit-go/repvit/convert"
	"github.com/repvit-go/repvit/internal/cli"
	"github.com/repvit-go/repvit/internal/format"
	"github.com/repvit-go/repvit/internal/load"
	"github.com/repvit-go/repvit/internal/outfile"
	"github.com/repvit-go/repvit/internal/printable"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/pytorch"
)

// convertAll converts every checkpoint; one that fails does not stop the others.
func convertAll(c *urfave.Context, cfg *config) error {
	ctx, stderr := c.Context, c.App.ErrWriter
	checkpoints, err := expand(c.Args().Slice(), func(text string) {
		if !cfg.quiet {
			fmt.Fprintln(stderr, cfg.program+": "+text)
		}
	})
	if err != nil {
		return err
	}
	cfg.sameName = map[string]int{}
	for _, path := range checkpoints {
		cfg.sameName[baseName(path)]++
	}
	if err := outfile.Check(append(cfg.inputs, checkpoints...), cfg.outputs(checkpoints)); err != nil {
		return err
	}
	if cfg.outputDir != "" {
		if err := os.MkdirAll(cfg.outputDir, 0o777); err != nil {
			return err
		}
	}
	var results []*convert.Result
	failed := cli.NewFailures(c, "checkpoints", len(checkpoints))
	for _, path := range checkpoints {
		r, err := convertOne(ctx, cfg, path, stderr)
		if err != nil {
			if err := failed.Add(path, err); err != nil {
				return err
			}
			continue
		}
		results = append(results, r)
		for _, warning := range r.Warnings {
			fmt.Fprintf(stderr, "%s: %s: warning: %s\n", cfg.program, printable.Line(path), printable.Line(warning))
		}
		if !cfg.quiet && !cfg.json {
			printResult(stderr, r, cfg)
		}
	}
	if cfg.json {
		if err := cli.PrintResults(c.App.Writer, results, failed.Problems); err != nil {
			return err
		}
	}
	return failed.Err()
}

// expand replaces folders by the checkpoints that stand in them, and says what it passes over.
// A folder that one checkpoint was unpacked into stands for itself.
func expand(args []string, said func(string)) ([]string, error) {
	var out []string
	for _, a := range args {
		info, err := os.Stat(a)
		if err != nil || !info.IsDir() || pytorch.IsFolder(a) || format.FolderOf(a) != nil {
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

// convertOne turns one checkpoint into its output file, which gets its name last of all.
func convertOne(ctx context.Context, cfg *config, path string, stderr io.Writer) (*convert.Result, error) {
	labels, err := readLabels(cfg.labels)
	if err != nil {
		return nil, err
	}
	if len(cfg.checkpointOnly) > 0 && load.Converted(path) {
		return nil, fmt.Errorf("%s: found a converted model, whose network is as it is; expected a checkpoint for %s", path, strings.Join(cfg.checkpointOnly, ", "))
	}
	progress := cli.NewProgress(stderr, cfg.quiet)
	defer progress.Done()
	o := cfg.options
	o.Model.Labels, o.Progress = labels, progress.Update
	o.BeforeCommit = func(r *convert.Result, n convert.Networks) error {
		progress.Done()
		complete(r, cfg)
		if cfg.report == "" {
			return nil
		}
		return writeReport(ctx, cfg, r, n)
	}
	r, err := convert.File(ctx, path, cfg.outputFor(path), o)
	if err != nil {
		return nil, explain(path, err, cfg)
	}
	return r, nil
}

// explain names the flags that help against an error.
func explain(path string, err error, cfg *config) error {
	var loss *convert.LossError
	var calibration *convert.CalibrationError
	var reference *convert.ReferenceError
	switch {
	case errors.Is(err, convert.ErrNoFeatures):
		return fmt.Errorf("%s: --taps says which feature maps are given, and the output is something else; add --features", path)
	case errors.Is(err, convert.ErrNoNormalization):
		return fmt.Errorf("%w: --coreml-input %s", err, coremlTensor)
	case errors.Is(err, convert.ErrBoxes):
		return fmt.Errorf("%w; give --raw", err)
	case errors.Is(err, convert.ErrNotImage) && cfg.options.Model.SAM.Part == "":
		return fmt.Errorf("%w; of Segment Anything give --part %s", err, model.PartEncoder)
	case errors.Is(err, convert.ErrNotFinite):
		return fmt.Errorf("%w; --no-check writes it unproven", err)
	case errors.As(err, &calibration):
		return fmt.Errorf("%w; give --mean and --std", err)
	case errors.As(err, &loss):
		better := "more or other images"
		if cfg.options.Int8.Calibration == "" {
			better = "some hundred images"
		}
		return cli.Missed(fmt.Errorf("%w; give %s with --calib, another --calib-method, --int8-scope pointwise or --keep-float auto, or --accept-loss to have it all the same", err, better))
	case errors.As(err, &reference), errors.Is(err, convert.ErrCheck):
		return cli.Missed(err)
	}
	return cli.Hint(err)
}

// complete adds to a result what is said in terms of flags.
func complete(r *convert.Result, cfg *config) {
	if r.Averaged != "" {
		r.Notes = append(r.Notes, fmt.Sprintf("averaged weights are in the file as well, under %q; --ema takes them", r.Averaged))
	}
	r.Notes = append(r.Notes, r.Stated...)
	if r.Quant != nil {
		r.Warnings = append(r.Warnings, warnings(r)...)
	}
}

// print writes the human summary.
func printResult(w io.Writer, r *convert.Result, cfg *config) {
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
		fmt.Fprintf(w, "  %s%s\n  %s\n", q.Scheme, q.Calibrated(), q)
		if n := len(q.KeptFloat); n > 0 {
			fmt.Fprintf(w, "  %d layers stay in float, the most sensitive is %s\n", n, q.KeptFloat[0])
		}
	}
	for _, line := range checkLines(r.Check, cfg) {
		fmt.Fprintf(w, "  %s\n", printable.Line(line))
	}
	outputs := r.Outputs
	if outputs == nil {
		outputs = []convert.Output{r.Output}
	}
	for _, o := range outputs {
		opset := ""
		if o.Opset != 0 {
			opset = fmt.Sprintf(" opset %d", o.Opset)
		}
		fmt.Fprintf(w, "  wrote %s: %s%s, %.1f MB, in %.2f s\n", o.Path, o.Format, opset, float64(o.Bytes)/1e6, r.Seconds)
	}
}
