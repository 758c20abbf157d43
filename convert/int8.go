package convert

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/images"
	"github.com/repvit-go/repvit/internal/infile"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/npy"
	"github.com/repvit-go/repvit/quant"
)

// Quantization says how a network was quantized and what that costs.
type Quantization struct {
	Scheme      string        `json:"scheme"`
	Calibration string        `json:"calibration"` // "images", "array", or what ranges follow from without; "none" of weights alone
	Samples     int           `json:"samples"`
	HeldOut     int           `json:"held_out"`    // samples that the loss was measured on
	MeasuredOn  string        `json:"measured_on"` // what they are
	SQNR        float64       `json:"sqnr_db"`
	Agree       *float64      `json:"agree"` // share of images or pixels with the same top-1 as in float; nil for feature maps
	Verdict     quant.Verdict `json:"verdict"`
	KeptFloat   []string      `json:"kept_float,omitempty"` // layers asked for by name, then the most sensitive first

	Clicks *Clicks `json:"clicks,omitempty"` // of a promptable segmenter of which both parts were written

	InFile string        `json:"-"` // what the file's format makes of it, where that is something else
	Report *quant.Report `json:"-"`
}

// LossError is of a network that int8 ruins.
type LossError struct{ Quantization *Quantization }

// Error is one line.
func (e *LossError) Error() string {
	return fmt.Sprintf("%v; expected an SQNR of at least %.0f dB", e.Quantization, quant.UsableSQNR)
}

// CalibrationError is of images that cannot be made inputs of the network: its Options.Model
// has no mean and standard deviation that fit. It wraps [preprocess.ErrConfig].
type CalibrationError struct{ Err error }

// Error is that of what it wraps.
func (e *CalibrationError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong.
func (e *CalibrationError) Unwrap() error { return e.Err }

// quantize makes the int8 form of the fused network.
func (j *job) quantize(ctx context.Context) (*graph.Graph, error) {
	samples, err := j.calibration(ctx)
	if err != nil {
		return nil, err
	}
	g, report, err := quant.Quantize(ctx, j.Training, j.Deploy, samples, [2]int{j.r.Height, j.r.Width}, quant.Options{
		NoLogits: j.Deploy.Metadata[model.MetaClasses] == "0", Maps: j.Deploy.Metadata[model.MetaWhole] != "",
		Scope: j.Int8.Scope, Integers: j.Int8.IO, Method: j.Int8.Method, Symmetric: j.Int8.Symmetric, KeepFloat: j.Int8.KeepFloat, Keep: j.Int8.Keep, Sensitivity: j.Int8.Sensitivity, Threads: j.Threads, Progress: j.Progress,
	})
	if err != nil {
		return nil, err
	}
	q := newQuantization(report, samples == nil)
	if q.Calibration == quant.FromImages && isArray(j.Int8.Calibration) {
		q.Calibration = "array"
	}
	if q.Verdict == quant.Unusable && !j.Int8.AcceptLoss {
		return nil, &LossError{q}
	}
	j.r.Quant = q
	if len(samples) > 0 {
		j.sample = samples[0]
	}
	return g, nil
}

// What a loss can be measured on.
const (
	heldOut = "images held out of calibration"
	madeUp  = "made-up images"
	given   = "images"
)

// Calibrated says from what the ranges follow; empty where nothing has one.
func (q *Quantization) Calibrated() string {
	if q.Calibration == quant.NotNeeded {
		return ""
	}
	return fmt.Sprintf(", calibrated on %s (%d samples)", q.Calibration, q.Samples)
}

func newQuantization(r *quant.Report, made bool) *Quantization {
	q := &Quantization{Scheme: r.Scheme, Calibration: r.Calibration, Samples: r.Samples, HeldOut: r.HeldOut, MeasuredOn: heldOut,
		SQNR: r.Loss.SQNR, Verdict: r.Verdict, KeptFloat: r.KeptFloat, Report: r}
	switch r.Calibration {
	case quant.FromImages:
	case quant.NotNeeded:
		if q.MeasuredOn = given; made {
			q.MeasuredOn = madeUp
		}
	default:
		q.MeasuredOn = madeUp
	}
	if r.Loss.Classes {
		q.Agree = &r.Loss.Agree
	}
	return q
}

// String is one line on what int8 costs.
func (q *Quantization) String() string {
	word := map[quant.Verdict]string{quant.Good: "good", quant.Noticeable: "usable, with a noticeable loss", quant.Unusable: "unusable"}[q.Verdict]
	agree := ""
	switch {
	case q.Report.Loss.Pixels:
		agree = fmt.Sprintf(", same class as in float for %.1f %% of the pixels", 100**q.Agree)
	case q.Agree != nil:
		agree = fmt.Sprintf(", same top-1 as in float on %.1f %%", 100**q.Agree)
	}
	verb, on := "measured", q.MeasuredOn
	if q.MeasuredOn == madeUp {
		verb = "estimated"
	}
	if q.HeldOut == 1 {
		on = strings.Replace(on, "images", "image", 1)
	}
	line := fmt.Sprintf("int8 is %s: SQNR %.1f dB%s, %s on %d %s", word, q.SQNR, agree, verb, q.HeldOut, on)
	if q.Clicks != nil {
		line += "; " + q.Clicks.String()
	}
	return line
}

// Lines say in short lines what was made int8, of what, and what it costs; [Quantization.String] is the last.
func (q *Quantization) Lines() []string {
	on := fmt.Sprintf("%d made-up images", q.Samples)
	switch q.Calibration {
	case quant.FromImages:
		on = fmt.Sprintf("%d images", q.Samples)
	case "array":
		on = fmt.Sprintf("%d inputs", q.Samples)
	case quant.FromBatchNorm:
		on = "BatchNorm statistics"
	}
	numbers := q.Report.Numbers
	if q.Calibration != quant.NotNeeded {
		numbers += ", from " + on
	}
	lines := []string{"int8: " + q.Report.Operators, numbers}
	if q.InFile != "" {
		lines = append(lines, q.InFile)
	}
	if n := len(q.KeptFloat); n > 0 {
		more := ""
		if n > shownKept {
			more = fmt.Sprintf(" and %d more", n-shownKept)
		}
		lines = append(lines, "in float: "+strings.Join(q.KeptFloat[:min(n, shownKept)], ", ")+more)
	}
	return append(lines, q.String())
}

// shownKept is how many layers a line names.
const shownKept = 3

// integers says what the integers of a network's input and outputs stand for, as TFLite has them.
func integers(g *graph.Graph) string {
	pair := func(n *graph.Node) string {
		zero := int(n.Inputs[2].Const.Float64s()[0])
		if n.Inputs[2].Const.DType == graph.Uint8 {
			zero -= 128
		}
		return fmt.Sprintf("%v·(q - %d)", n.Inputs[1].Const.Float32s()[0], zero)
	}
	var all []string
	for _, n := range g.Consumers()[g.Inputs[0]] {
		if _, ok := n.Op.(graph.QuantizeLinear); ok {
			all = append(all, g.Inputs[0].Name+" = "+pair(n))
		}
	}
	producers := g.Producers()
	for _, v := range g.Outputs {
		if n := producers[v]; n != nil && n.Op.Kind() == (graph.DequantizeLinear{}).Kind() {
			all = append(all, v.Name+" = "+pair(n))
		}
	}
	return "int8 in the file, q for " + strings.Join(all, ", ")
}

func isArray(path string) bool { return strings.HasSuffix(path, ".npy") }

// calibration reads the samples: nil for none.
func (j *job) calibration(ctx context.Context) ([]*graph.Tensor, error) {
	path, most := j.Int8.Calibration, cmp.Or(j.Int8.Samples, 256)
	switch {
	case path == "":
		return nil, nil
	case isArray(path):
		data, err := infile.ReadFile(path)
		if err != nil {
			return nil, err
		}
		t, err := npy.Read(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		samples, err := images.Split(t, most)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return samples, nil
	}
	files, err := images.List(path)
	if err != nil {
		return nil, err
	}
	var input func(file string) (*graph.Tensor, error)
	if fit, ok := j.in.Fit(); ok {
		input = images.Whole(fit)
	} else {
		p, err := j.images.For(j.Training.Inputs[0].Type.Shape[1].Size)
		if err != nil {
			return nil, &CalibrationError{err}
		}
		input = images.Input(p)
	}
	return images.Load(ctx, images.Spread(files, most), input, j.Threads, func(done, total int) {
		j.Progress("reading images", done, total)
	})
}
