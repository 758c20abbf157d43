package convertcmd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/repvit-go/repvit/convert"
	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/internal/cli"
	"github.com/repvit-go/repvit/internal/load"
	"github.com/repvit-go/repvit/report"
	"github.com/repvit-go/repvit/verify"
)

// reportSeed makes every report use the same input.
const reportSeed = 1

// writeReport shows the conversion: the written network, the fused one that it was made
// from, and the training form.
func writeReport(ctx context.Context, cfg *config, r *convert.Result, n convert.Networks) error {
	training, deploy, g := n.Training, n.Deploy, n.Written
	shape := load.InputShape(training, 1, r.Height, r.Width)
	x, err := verify.RandomInput(shape, reportSeed)
	if cfg.options.Int8 != nil { // whose ranges are those of images
		x, err = verify.MadeInput(ctx, shape)
	}
	if err != nil {
		return err
	}
	sessions := map[*graph.Graph]*infer.Session{}
	for _, n := range []*graph.Graph{training, deploy, g} {
		if sessions[n] != nil {
			continue
		}
		s, err := infer.New(n, infer.Options{Threads: cfg.options.Threads, MaxMemory: cfg.options.MaxMemory})
		if err != nil {
			return err
		}
		defer s.Close()
		sessions[n] = s
	}
	d := &report.Data{
		Title:   fmt.Sprintf("%s: %s from %s", r.Variant, filepath.Base(r.Output.Path), filepath.Base(r.Input)),
		Command: cfg.program + " " + cli.CommandLine(os.Args[1:]),
		Verdict: verdict(r, cfg),
		Summary: rows(r, sessions[g], cfg),
	}
	if d.Network, err = report.Profile(ctx, sessions[g], x); err != nil {
		return err
	}
	if r.Quant != nil {
		d.Ranges = append(d.Ranges, report.Ranges{Title: "Activations", Tensors: r.Quant.Report.Ranges})
	}
	d.Ranges = append(d.Ranges, report.Weights(g))
	against, reference := training, "checkpoint"
	if deploy != training {
		e, err := report.Compare(ctx, "Fused against original", sessions[deploy], sessions[training], x)
		if err != nil {
			return err
		}
		d.Errors = append(d.Errors, e)
	}
	name := "converted"
	if g != deploy {
		against, reference, name = deploy, "float32", "float16"
		if r.Quant != nil {
			name = "int8"
			d.Errors = append(d.Errors, report.Sensitivity(r.Quant.Report))
		}
		e, err := report.Compare(ctx, name+" against float32", sessions[g], sessions[deploy], x)
		if err != nil {
			return err
		}
		d.Errors = append(d.Errors, e)
	}
	if d.Logits, err = report.CompareLogits(ctx, name, reference, sessions[g], sessions[against], x); err != nil {
		return err
	}
	return cli.WriteReport(cfg.report, d)
}

// verdict says what was compared with what, and no more.
func verdict(r *convert.Result, cfg *config) report.Verdict {
	v := report.Verdict{Text: "Converted without a check: nothing was compared."}
	if c := r.Check; c != nil {
		v.Outcome = report.Passed
		what := "The file, read back,"
		if cfg.options.Int8 != nil {
			what = "The fused float network"
		}
		v.Text = fmt.Sprintf("%s equals the checkpoint's network as it was read: largest difference %.2g on %d random inputs.", what, c.MaxAbs, c.Inputs)
		if c.Reference != nil {
			v.Text += " " + sentence(equalsReference(c, cfg))
		}
	}
	if q := r.Quant; q != nil {
		v.Text += " " + sentence(q.String())
		v.Outcome = max(v.Outcome, report.OutcomeOf(q.Verdict))
	}
	return v
}

// sentence makes a line of the summary one.
func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }

// rows are the report's summary.
func rows(r *convert.Result, s *infer.Session, cfg *config) []report.Row {
	stats := s.Stats()
	rows := []report.Row{
		{Name: "Checkpoint", Value: r.Input},
		{Name: "Variant", Value: fmt.Sprintf("%s, %s form, %d classes", r.Variant, r.Generation, r.Classes)},
		{Name: "Parameters", Value: fmt.Sprintf("%.2f M", float64(r.Parameters)/1e6)},
		{Name: "MACs", Value: fmt.Sprintf("%.3f G", float64(r.MACs)/1e9)},
		{Name: "Output", Value: fmt.Sprintf("%s, %s, %.1f MB", r.Output.Path, r.Output.Format, float64(r.Output.Bytes)/1e6)},
	}
	if q := r.Quant; q != nil {
		rows = append(rows, report.Row{Name: "Quantization", Value: q.Scheme + q.Calibrated()},
			report.Row{Name: "In float", Value: kept(q.KeptFloat)})
		if q.Clicks != nil {
			rows = append(rows, report.Row{Name: "Clicks", Value: q.Clicks.String()})
		}
	}
	rows = append(rows, report.Row{Name: "Compared", Value: strings.Join(checkLines(r.Check, cfg), "; ")})
	for _, w := range r.Warnings {
		rows = append(rows, report.Row{Name: "Warning", Value: w})
	}
	return append(rows, report.Row{Name: "Engine", Value: fmt.Sprintf("%s, %d threads", stats.ISA, stats.Threads)})
}

// kept names layers that stay in float.
func kept(layers []string) string {
	if len(layers) == 0 {
		return "no layer of the scope"
	}
	return strings.Join(layers, ", ")
}
