package convertcmd

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/cli"
	"github.com/repvit-go/repvit/internal/images"
	"github.com/repvit-go/repvit/internal/infile"
	"github.com/repvit-go/repvit/model"
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
	g, report, err := quant.Quantize(ctx, training, deploy, samples, [2]int{h, w}, quant.Options{
		NoLogits: deploy.Metadata[model.MetaClasses] == "0",
		Scope:    cfg.scope, Method: cfg.method, KeepFloat: cfg.keepFloat, Sensitivity: cfg.report != "", Threads: cfg.threads, Progress: progress.Update,
	})
	if err != nil {
		return nil, err
	}
	q := newQuantResult(report)
	if samples != nil && strings.HasSuffix(cfg.calib, ".npy") {
		q.Calibration = "array"
	}
	if q.Verdict == quant.Unusable && !cfg.acceptLoss {
		better := "more or other images"
		if samples == nil {
			better = "some hundred images"
		}
		return nil, fmt.Errorf("%s; expected an SQNR of at least %.0f dB; give %s with --calib, another --calib-method, --int8-scope pointwise or --keep-float auto, or --accept-loss to have it all the same",
			q.verdict(), quant.UsableSQNR, better)
	}
	r.Quant, r.report = q, report
	r.Warnings = append(r.Warnings, q.warnings(h, w)...)
	return g, nil
}

// quantResult is what --json prints of a quantization.
type quantResult struct {
	Scheme      string        `json:"scheme"`
	Calibration string        `json:"calibration"`
	Samples     int           `json:"samples"`
	HeldOut     int           `json:"held_out"`
	MeasuredOn  string        `json:"measured_on"`
	SQNR        float64       `json:"sqnr_db"`
	Agree       *float64      `json:"agree"` // nil for feature maps
	Verdict     quant.Verdict `json:"verdict"`
	KeptFloat   []string      `json:"kept_float,omitempty"` // the most sensitive layer first

	report *quant.Report
}

// What a loss can be measured on.
const (
	heldOut = "images held out of calibration"
	madeUp  = "made-up images"
)

// count is "1 image …" or "2 images …" for a noun that begins with its plural.
func count(n int, images string) string {
	if n == 1 {
		images = strings.Replace(images, "images", "image", 1)
	}
	return fmt.Sprintf("%d %s", n, images)
}

func newQuantResult(r *quant.Report) *quantResult {
	q := &quantResult{Scheme: r.Scheme, Calibration: r.Calibration, Samples: r.Samples, HeldOut: r.HeldOut, MeasuredOn: heldOut,
		SQNR: r.Loss.SQNR, Verdict: r.Verdict, KeptFloat: r.KeptFloat, report: r}
	if r.Calibration != quant.FromImages {
		q.MeasuredOn = madeUp
	}
	if r.Loss.Classes {
		q.Agree = &r.Loss.Agree
	}
	return q
}

// verdict is one line on what int8 costs.
func (q *quantResult) verdict() string {
	word := map[quant.Verdict]string{quant.Good: "good", quant.Noticeable: "usable, with a noticeable loss", quant.Unusable: "unusable"}[q.Verdict]
	agree := ""
	if q.Agree != nil {
		agree = fmt.Sprintf(", same top-1 as in float on %.1f %%", 100**q.Agree)
	}
	verb := "measured"
	if q.report.Calibration != quant.FromImages {
		verb = "estimated"
	}
	return fmt.Sprintf("int8 is %s: SQNR %.1f dB%s, %s on %s", word, q.SQNR, agree, verb, count(q.HeldOut, q.MeasuredOn))
}

// warnings are what a person should know before trusting the figures.
func (q *quantResult) warnings(height, width int) (all []string) {
	if q.Verdict == quant.Unusable {
		all = append(all, q.verdict()+"; written because of --accept-loss")
	}
	switch q.report.Calibration {
	case quant.FromImages:
		if q.Samples < quant.FewSamples {
			all = append(all, fmt.Sprintf("int8 was calibrated on %s only, and its loss measured on %d of them; give %d or more", count(q.Samples, "images"), q.HeldOut, quant.FewSamples))
		}
		return all
	case quant.FromBatchNorm:
		all = append(all, "int8 was calibrated without images: its ranges follow from the checkpoint's BatchNorm statistics, which costs accuracy, and its loss is an estimate; give some hundred images with --calib")
	default:
		all = append(all, "int8 was calibrated without images and without BatchNorm statistics, on made-up images alone, and its loss is an estimate; give some hundred images with --calib")
	}
	if d := q.report.Doubt; d.Verdict() == quant.Unusable && q.Verdict != quant.Unusable {
		all = append(all, fmt.Sprintf("the estimates of int8's loss differ, the other is an SQNR of %.1f dB: perhaps the network was not trained for images of %d×%d", d.SQNR, height, width))
	}
	return all
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
