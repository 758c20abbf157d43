package main

import "github.com/repvit-go/repvit/report"

// ranges are what the report shows of quantization.
func ranges(r *result) []report.Ranges {
	activations := report.Ranges{Title: "Activations"}
	for _, a := range r.report.Ranges {
		activations.Tensors = append(activations.Tensors, report.Range{Name: a.Name, Min: a.Min, Max: a.Max, Low: a.Low, High: a.High})
	}
	return []report.Ranges{activations}
}
