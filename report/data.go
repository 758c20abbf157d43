package report

import (
	"time"

	"github.com/repvit-go/repvit/evaluate"
	"github.com/repvit-go/repvit/quant"
	"github.com/repvit-go/repvit/verify"
)

// Data is what a report shows. Sections whose fields are zero are left out.
type Data struct {
	Title    string    // of the file, "RepViT-M0.9: ONNX against checkpoint"
	Command  string    // the command line that made the report, as typed
	Verdict  Verdict   // shown first
	Pictures []Picture // shown next
	Summary  []Row     // model file, format, variant, parameters, check figures, engine, …

	Segmentation *evaluate.SegmentationResult
	Detection    *evaluate.DetectionResult

	Network *Network
	Errors  []Errors // "Fused against original", "int8 against float"
	Ranges  []Ranges // "Activations", "Weights"
	Logits  *Logits
	Images  *Images
	Runs    []Run // models side by side, the one that others are compared with first
}

// Verdict is the answer in one sentence.
type Verdict struct {
	Outcome Outcome
	Text    string // "The converted model equals its checkpoint: max |Δ| 4.8e-6 over 100 images."
}

// Outcome is what became of the criteria that a result was held against.
type Outcome int

// The outcomes. Nothing passes that no criterion was given for.
const (
	Measured   Outcome = iota // there was no criterion: figures without a verdict
	Passed                    // every criterion is met
	Noticeable                // they are met, with a loss that will be noticed
	Failed                    // one of them is not
)

// OutcomeOf is what a report says of a quantization's verdict.
func OutcomeOf(v quant.Verdict) Outcome {
	switch v {
	case quant.Good:
		return Passed
	case quant.Noticeable:
		return Noticeable
	}
	return Failed
}

// Word is how a report heads the verdict.
func (o Outcome) Word() string {
	switch o {
	case Passed:
		return "Passed"
	case Noticeable:
		return "Noticeable loss"
	case Failed:
		return "Failed"
	}
	return "Measured"
}

// Picture is what a network sees in an image.
type Picture struct {
	File      string
	Got, Want []byte // as [Shrink] returns them; Want, the truth, may be empty
}

// Row is a line of the summary.
type Row struct {
	Name  string // "Parameters"
	Value string // "5 067 056", already formatted
}

// Errors is how far the values of one network are from those of another, layer by layer.
type Errors struct {
	Title  string         // "int8 against float"
	Layers []verify.Layer // in the order of computation; MaxAbs is NaN where only the ratios are known
	// Divergence is the first value beyond the tolerance; nil where all are within it.
	Divergence *verify.Divergence
}

// Ranges is what values tensors take and where quantization clips them.
type Ranges struct {
	Title string // "Activations"
	// Tensors are those that are shown; Low and High are both zero where one is not quantized.
	Tensors []quant.Range
}

// Logits are two models' logits for the same inputs, element by element.
type Logits struct {
	Name, Reference string    // of the models: "int8", "float32"
	Got, Want       []float32 // of the model and of the reference; the shorter length counts
}

// Images is an evaluation over images.
type Images struct {
	*evaluate.Result
	Labels  []string // names of the classes; others are shown as numbers
	Against string   // the other model's name, empty where there is none
	// Disagreements are the images to which the two models give different classes, or the
	// first of them.
	Disagreements []Disagreement
}

// Disagreement is an image to which two models give different classes.
type Disagreement struct {
	evaluate.Miss
	Score, AgainstScore float64 // the probabilities that the models give to their classes, 0..1
	Thumbnail           []byte  // as [Thumbnail] returns it; empty shows the names only
}

// Run is one of several models that are compared. Zero Bytes and Latency are not known.
type Run struct {
	Name    string
	Bytes   int64
	Latency time.Duration // median of a single image
	*evaluate.Result
}
