package convertcmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	urfave "github.com/urfave/cli/v2"

	"github.com/repvit-go/repvit/convert"
	"github.com/repvit-go/repvit/internal/cli"
	"github.com/repvit-go/repvit/internal/format"
	"github.com/repvit-go/repvit/internal/load"
	"github.com/repvit-go/repvit/internal/outfile"
	"github.com/repvit-go/repvit/internal/printable"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/pytorch"
	"github.com/repvit-go/repvit/quant"
)

// convertAll converts every checkpoint; one that fails does not stop the others.
func convertAll(c *urfave.Context, cfg *config) error {
	ctx, stderr := c.Context, c.App.ErrWriter
	start := time.Now()
	checkpoints, err := cfg.expand(ctx, c.Args().Slice(), func(text string) {
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
		for _, path := range checkpoints {
			if err := os.MkdirAll(filepath.Join(cfg.outputDir, cfg.inside[path]), 0o777); err != nil {
				return err
			}
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
	if len(checkpoints) > 1 && !cfg.quiet && !cfg.json {
		fmt.Fprintf(stderr, "converted %d of %d checkpoints, %.1f MB, in %.1f s\n", len(results), len(checkpoints), float64(written(results))/1e6, time.Since(start).Seconds())
	}
	return failed.Err()
}

// written is how many bytes conversions wrote.
func written(results []*convert.Result) (n int64) {
	for _, r := range results {
		for _, o := range outputs(r) {
			n += o.Bytes
		}
	}
	return n
}

// outputs are the files of a conversion.
func outputs(r *convert.Result) []convert.Output {
	if r.Outputs == nil {
		return []convert.Output{r.Output}
	}
	return r.Outputs
}

// expand replaces folders by the checkpoints in them and in their subfolders, and says what it passes
// over. A folder that one checkpoint was unpacked into stands for itself. Hidden files and folders do not
// count, nor does the folder of the outputs.
func (cfg *config) expand(ctx context.Context, args []string, said func(string)) ([]string, error) {
	cfg.inside = map[string]string{}
	var out []string
	for _, a := range args {
		info, err := os.Stat(a)
		if err != nil || !info.IsDir() || pytorch.IsFolder(a) || format.FolderOf(a) != nil {
			out = append(out, a)
			continue
		}
		n, passed := len(out), 0
		var names []string // of some that are passed over
		target, _ := os.Stat(cfg.outputDir)
		root, err := filepath.EvalSymlinks(a) // filepath.WalkDir does not follow its root
		if err != nil {
			return nil, err
		}
		err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			switch {
			case err != nil || ctx.Err() != nil:
				return cmp.Or(err, ctx.Err())
			case path == root:
				return nil
			case strings.HasPrefix(e.Name(), "."):
				if e.IsDir() {
					return filepath.SkipDir
				}
				return nil
			}
			inside, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			checkpoint := filepath.Join(a, inside)
			if e.IsDir() {
				if info, err := e.Info(); err == nil && target != nil && os.SameFile(info, target) || format.FolderOf(path) != nil {
					return filepath.SkipDir
				}
				if !pytorch.IsFolder(path) {
					return nil
				}
				out, cfg.inside[checkpoint] = append(out, checkpoint), filepath.Dir(inside)
				return filepath.SkipDir
			}
			if format.IsCheckpointName(e.Name()) {
				out, cfg.inside[checkpoint] = append(out, checkpoint), filepath.Dir(inside)
				return nil
			}
			if passed++; passed <= shownPassed {
				names = append(names, printable.Line(inside))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if len(out) == n {
			return nil, fmt.Errorf("%s: found no checkpoints in the folder, expected files ending in %s", a, strings.Join(format.Checkpoint.Extensions, ", "))
		}
		if passed > 0 {
			more := ""
			if passed > shownPassed {
				more = fmt.Sprintf(" and %d more", passed-shownPassed)
			}
			said(fmt.Sprintf("%s: passing over %s%s: not named like checkpoints", a, strings.Join(names, ", "), more))
		}
	}
	return out, nil
}

// shownPassed is how many files are named that are passed over.
const shownPassed = 8

// convertOne turns one checkpoint into its output file, which gets its name last of all.
func convertOne(ctx context.Context, cfg *config, path string, stderr io.Writer) (*convert.Result, error) {
	labels, err := readLabels(cfg.labels)
	if err != nil {
		return nil, err
	}
	if len(cfg.checkpointOnly) > 0 && load.Converted(path) {
		return nil, fmt.Errorf("%s: found a converted model, whose network is as it is; expected a checkpoint for %s", path, strings.Join(cfg.checkpointOnly, ", "))
	}
	progress := cli.NewProgress(stderr, cfg.quiet, cfg.progress).Of(cfg.stages())
	defer progress.Done()
	o := cfg.options
	o.Model.Labels, o.Progress = labels, progress.Update
	o.BeforeCommit = func(r *convert.Result, n convert.Networks) error {
		complete(r, cfg)
		if cfg.report == "" {
			return nil
		}
		progress.Update("report", 0, 1)
		return writeReport(ctx, cfg, r, n)
	}
	r, err := convert.File(ctx, path, cfg.outputFor(path), o)
	if err != nil {
		return nil, explain(path, err, cfg)
	}
	return r, nil
}

// stages are those of a conversion, with what they took of a RepViT-M0.9's, in hundredths of a second.
func (cfg *config) stages() []cli.Stage {
	all := []cli.Stage{{Name: "read", Shown: "reading the checkpoint", Share: 15}}
	if q := cfg.options.Int8; q != nil {
		fit := []cli.Stage{
			{Name: "equalize", Shown: "int8: balancing channels", Share: 140},
			{Name: "calibrate", Shown: "int8: measuring ranges", Share: 220},
			{Name: "round", Shown: "int8: rounding weights", Share: 550},
		}
		if q.Calibration == "" {
			all = append(all, cli.Stage{Name: "statistics", Shown: "int8: making up images", Share: 300})
		} else {
			all = append(all, cli.Stage{Name: "reading images", Shown: "reading images", Share: 20})
		}
		all = append(append(all, fit...), fit...) // a second time without the images to measure on
		if q.KeepFloat != 0 || q.Sensitivity {
			all = append(all, cli.Stage{Name: "sensitivity", Shown: "int8: trying each layer alone", Share: 850})
		}
		if q.KeepFloat == quant.KeepAuto {
			all = append(all, cli.Stage{Name: "keep float", Shown: "int8: choosing layers to keep in float", Share: 40})
		}
		all = append(all, cli.Stage{Name: "measure", Shown: "int8: measuring the loss", Share: 25})
	}
	all = append(all, cli.Stage{Name: "write", Shown: "writing", Share: 5})
	if !cfg.options.NoCheck {
		all = append(all, cli.Stage{Name: "prove", Shown: "comparing with the checkpoint", Share: 40})
	}
	if cfg.report != "" {
		all = append(all, cli.Stage{Name: "report", Shown: "writing the report", Share: 50})
	}
	return all
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
	case errors.Is(err, model.ErrLabels):
		return fmt.Errorf("%s: for %w", cfg.labels, err)
	case errors.As(err, &calibration):
		return fmt.Errorf("%w; give --mean and --std", err)
	case errors.As(err, &loss):
		better := "more or other images"
		if cfg.options.Int8.Calibration == "" {
			better = "some hundred images"
		}
		return cli.Missed(fmt.Errorf("%w; give %s with --calib, another --calib-method, --int8-scope pointwise or --keep-float auto, or --accept-loss to have it all the same", err, better))
	case errors.Is(err, quant.ErrOption):
		return fmt.Errorf("%w; --keep-float takes layers of the list, which --report shows", err)
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
		for _, line := range q.Lines() {
			fmt.Fprintf(w, "  %s\n", printable.Line(line))
		}
	}
	for _, line := range checkLines(r.Check, cfg) {
		fmt.Fprintf(w, "  %s\n", printable.Line(line))
	}
	for _, o := range outputs(r) {
		opset := ""
		if o.Opset != 0 {
			opset = fmt.Sprintf(" opset %d", o.Opset)
		}
		fmt.Fprintf(w, "  wrote %s: %s%s, %.1f MB, in %.2f s\n", o.Path, o.Format, opset, float64(o.Bytes)/1e6, r.Seconds)
	}
}
