package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/cli"
	"github.com/repvit-go/repvit/internal/images"
	"github.com/repvit-go/repvit/internal/infile"
	"github.com/repvit-go/repvit/npy"
	"github.com/repvit-go/repvit/quant"
)

// quantize makes the int8 form of a fused network.
func quantize(ctx context.Context, cfg *config, training, deploy *graph.Graph, r *result, stderr io.Writer) (*graph.Graph, error) {
	h, w := cfg.resolution()
	progress := cli.NewProgress(stderr, cfg.quiet)
	defer progress.Done()
	samples, err := calibration(ctx, cfg, training, progress)
	if err != nil {
		return nil, err
	}
	if samples == nil && !cfg.quiet {
		progress.Done()
		fmt.Fprintln(stderr, "repvit-convert: no calibration images given: ranges come from the checkpoint's BatchNorm statistics, which costs accuracy; give some hundred images with --calib")
	}
	g, report, err := quant.Quantize(ctx, training, deploy, samples, [2]int{h, w}, quant.Options{
		Scope: cfg.scope, Method: cfg.method, KeepFloat: cfg.keepFloat, Sensitivity: cfg.report != "", Threads: cfg.threads, Progress: progress.Update,
	})
	if err != nil {
		return nil, err
	}
	source := report.Calibration
	if samples != nil {
		source = "images"
		if strings.HasSuffix(cfg.calib, ".npy") {
			source = "array"
		}
	}
	r.Quant = &quantResult{Scheme: report.Scheme, Calibration: source, Samples: report.Samples, SQNR: report.SQNR}
	r.report = report
	return g, nil
}

// calibration reads what --calib names: nil where it names nothing.
func calibration(ctx context.Context, cfg *config, training *graph.Graph, progress *cli.Progress) ([]*graph.Tensor, error) {
	switch {
	case cfg.calib == "":
		return nil, nil
	case strings.HasSuffix(cfg.calib, ".npy"):
		data, err := infile.ReadFile(cfg.calib)
		if err != nil {
			return nil, err
		}
		t, err := npy.Read(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", cfg.calib, err)
		}
		samples, err := images.Split(t, cfg.calibSamples)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", cfg.calib, err)
		}
		return samples, nil
	}
	files, err := images.List(cfg.calib)
	if err != nil {
		return nil, err
	}
	p, err := cfg.images.For(training.Inputs[0].Type.Shape[1].Size)
	if err != nil {
		return nil, fmt.Errorf("%w; give --mean and --std", err)
	}
	return images.Load(ctx, images.Spread(files, cfg.calibSamples), p, cfg.threads,
		func(done, total int) { progress.Update("reading images", done, total) })
}
