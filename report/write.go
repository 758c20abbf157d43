package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"sync"
)

//go:embed report.html
var page string

//go:embed report.css
var style string

// pageTemplate is parsed when it is first needed: commands that write no report should not
// start later for it.
var pageTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("report").Funcs(template.FuncMap{
		"t":       clean,
		"count":   count,
		"size":    size,
		"ms":      milliseconds,
		"percent": percent,
		"db":      decibels,
		"number":  number,
		"plural":  plural,
		"data":    dataURI,
		"clipped": clipped,
		"known":   func(f float64) bool { return !math.IsNaN(f) },
		"first":   func(p []Picture) []Picture { return p[:min(len(p), maxPictures)] },
		"hundred": func(f float64) string { return fmt.Sprintf("%.1f", 100*f) },
	}).Parse(page))
})

// view is what the template reads.
type view struct {
	*Data
	Style   template.CSS
	Network *networkView
	Errors  []errorsView
	Ranges  []rangesView
	Logits  *logitsView
	Images  *imagesView
	Runs    []runView
	AP      []apRow
}

// Write writes a report as one HTML file. Nothing is written before the whole file is
// there, so an error is that of w.
func Write(w io.Writer, d *Data) error {
	v := view{
		Data:    d,
		Style:   template.CSS(style),
		Network: viewNetwork(d.Network),
		Logits:  viewLogits(d.Logits),
		Images:  viewImages(d.Images),
		Runs:    viewRuns(d.Runs),
		AP:      viewAP(d.Detection),
	}
	for _, e := range d.Errors {
		if len(e.Layers) > 0 {
			v.Errors = append(v.Errors, viewErrors(e))
		}
	}
	for _, r := range d.Ranges {
		if len(r.Tensors) > 0 {
			v.Ranges = append(v.Ranges, viewRanges(r))
		}
	}
	var b bytes.Buffer
	if err := pageTemplate().Execute(&b, v); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	_, err := w.Write(b.Bytes())
	return err
}
