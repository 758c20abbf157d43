package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/internal/load"
	"github.com/repvit-go/repvit/internal/reporting"
	"github.com/repvit-go/repvit/report"
	"github.com/repvit-go/repvit/verify"
)

// writeReport shows the conversion: the written network g, the fused one that it was made
// from, and the training form.
func writeReport(ctx context.Context, cfg *config, r *result, training, deploy, g *graph.Graph) error {
	h, w := cfg.resolution()
	x, err := verify.RandomInput(load.InputShape(training, 1, h, w), checkSeed)
	if err != nil {
		return err
	}
	sessions := map[*graph.Graph]*infer.Session{}
	for _, n := range []*graph.Graph{training, deploy, g} {
		if sessions[n] != nil {
			continue
		}
		s, err := infer.New(n, infer.Options{Threads: cfg.threads, MaxMemory: cfg.maxMemory})
		if err != nil {
			return err
		}
		defer s.Close()
		sessions[n] = s
	}
	d := &report.Data{
		Title:   fmt.Sprintf("%s: %s from %s", r.Variant, filepath.Base(r.Output.Path), filepath.Base(r.Input)),
		Command: "repvit-convert " + reporting.CommandLine(os.Args[1:]),
		Verdict: report.Verdict{OK: true, Text: "Converted without the check: nothing was compared."},
		Summary: r.rows(sessions[g]),
	}
	if r.Check != nil {
		d.Verdict.Text = fmt.Sprintf("The fused network equals its checkpoint: largest difference %.2g.", r.Check.MaxAbs)
	}
	if d.Network, err = reporting.Network(ctx, sessions[g], x); err != nil {
		return err
	}
	d.Ranges = ranges(r, g)
	against, reference := training, "checkpoint"
	if deploy != training {
		e, err := reporting.Errors(ctx, "Fused against original", sessions[deploy], sessions[training], x, nil)
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
			d.Verdict.Text += fmt.Sprintf(" In int8 the logits have an SQNR of %.1f dB.", r.Quant.SQNR)
			d.Errors = append(d.Errors, sensitivity(r))
		}
		e, err := reporting.Errors(ctx, name+" against float32", sessions[g], sessions[deploy], x, nil)
		if err != nil {
			return err
		}
		d.Errors = append(d.Errors, e)
	}
	if d.Logits, err = reporting.Logits(ctx, name, reference, sessions[g], sessions[against], x); err != nil {
		return err
	}
	return reporting.Write(cfg.report, d)
}

// rows are the report's summary.
func (r *result) rows(s *infer.Session) []report.Row {
	stats := s.Stats()
	rows := []report.Row{
		{Name: "Checkpoint", Value: r.Input},
		{Name: "Variant", Value: fmt.Sprintf("%s, %s form, %d classes", r.Variant, r.Generation, r.Classes)},
		{Name: "Parameters", Value: fmt.Sprintf("%.2f M", float64(r.Parameters)/1e6)},
		{Name: "MACs", Value: fmt.Sprintf("%.3f G", float64(r.MACs)/1e9)},
		{Name: "Output", Value: fmt.Sprintf("%s, %s, %.1f MB", r.Output.Path, r.Output.Format, float64(r.Output.Bytes)/1e6)},
	}
	if q := r.Quant; q != nil {
		rows = append(rows, report.Row{Name: "Quantization", Value: fmt.Sprintf("%s, calibrated on %s (%d samples)", q.Scheme, q.Calibration, q.Samples)})
	}
	return append(rows, report.Row{Name: "Engine", Value: fmt.Sprintf("%s, %d threads", stats.ISA, stats.Threads)})
}
