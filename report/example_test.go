package report_test

import (
	"bytes"
	"fmt"
	"log"

	"github.com/repvit-go/repvit/report"
	"github.com/repvit-go/repvit/verify"
)

func Example() {
	var html bytes.Buffer
	err := report.Write(&html, &report.Data{
		Title:   "m.onnx against m.pth",
		Verdict: report.Verdict{Outcome: report.Passed, Text: "Equal: the largest difference between logits is 4.8e-6."},
		Summary: []report.Row{{Name: "Variant", Value: "RepViT-M0.9"}},
		Errors: []report.Errors{{Title: "converted against checkpoint", Layers: []verify.Layer{
			{Value: "features.0", MaxAbs: 1e-6, RelL2: 2e-7, SQNR: 134},
			{Value: "features.1", MaxAbs: 2e-6, RelL2: 3e-7, SQNR: 130},
		}}},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(bytes.Contains(html.Bytes(), []byte("Equal: the largest difference")))
	// Output: true
}
