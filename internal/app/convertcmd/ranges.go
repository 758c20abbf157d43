package convertcmd

import (
	"math"

	"github.com/repvit-go/repvit/convert"
	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/reporting"
	"github.com/repvit-go/repvit/report"
)

// sensitivity is what int8 costs the logits in one layer alone, for every layer.
func sensitivity(r *convert.Result) report.Errors {
	e := report.Errors{Title: "Logits with one layer in int8"}
	for _, l := range r.Quant.Report.Layers {
		if l.SQNR != 0 { // it was measured
			e.Layers = append(e.Layers, report.Layer{Name: l.Name, MaxAbs: math.NaN(), RelL2: math.Pow(10, -l.SQNR/20), SQNR: l.SQNR})
		}
	}
	return e
}

// ranges are what the report shows of the written network's numbers: activations where
// they are quantized, and weights.
func ranges(r *convert.Result, g *graph.Graph) (all []report.Ranges) {
	if r.Quant != nil {
		activations := report.Ranges{Title: "Activations"}
		for _, a := range r.Quant.Report.Ranges {
			activations.Tensors = append(activations.Tensors, report.Range{Name: a.Name, Min: a.Min, Max: a.Max, Low: a.Low, High: a.High})
		}
		all = append(all, activations)
	}
	return append(all, reporting.Weights(g))
}
