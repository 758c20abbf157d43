package report

import "time"

// Data is what a report shows. Sections whose fields are zero are left out.
type Data struct {
	Title   string  // of the file, "RepViT-M0.9: ONNX against checkpoint"
	Command string  // the command line that made the report, as typed
	Verdict Verdict // shown first
	Summary []Row   // model file, format, variant, parameters, check figures, engine, …
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

// Row is a line of the summary.
type Row struct {
	Name  string // "Parameters"
	Value string // "5 067 056", already formatted
}

// Errors is how far the values of one network are from those of another, layer by layer.
type Errors struct {
	Title  string  // "int8 against float"
	Layers []Layer // in the order of computation
	// Divergence names the first layer beyond the tolerance; empty where all are within it.
	Divergence string
}

// Layer is the error of one intermediate value a against its counterpart b.
type Layer struct {
	Name   string
	MaxAbs float64 // largest |a−b|; NaN where only the ratios are known
	RelL2  float64 // ‖a−b‖₂ / ‖b‖₂
	SQNR   float64 // 10·log10(Σb² / Σ(a−b)²), decibels; +Inf where a = b
}

// Ranges is what values tensors take and where quantization clips them.
type Ranges struct {
	Title   string // "Activations"
	Tensors []Range
}

// Range is the range of one tensor.
type Range struct {
	Name     string
	Min, Max float64 // seen
	// Low and High are the smallest and largest value that the quantized tensor can hold;
	// both zero where it is not quantized.
	Low, High float64
}

// Logits are two models' logits for the same inputs, element by element.
type Logits struct {
	Name, Reference string    // of the models: "int8", "float32"
	Got, Want       []float32 // of the model and of the reference; the shorter length counts
}

// Images is an evaluation over images. Figures that are not known are NaN.
type Images struct {
	Count      int     // images evaluated
	Top1, Top5 float64 // shares of the images, 0..1
	Against    string  // the other model's name, empty where there is none
	Agree      float64 // share of the images to which both models give the same class, 0..1
	SQNR       float64 // of all logits against the other model's, decibels
	PerSecond  float64 // images

	// Confusions are how often an image of one class was taken for one of another. The
	// correct answers may be among them; with at most 20 classes they make a matrix.
	Confusions []Confusion

	// Disagreements are the images to which the two models give different classes, or the
	// first of them; Disagreeing is how many there are in all.
	Disagreements []Disagreement
	Disagreeing   int
}

// Confusion counts the images of a class that got a class.
type Confusion struct {
	Label, Predicted string
	Count            int
}

// Disagreement is an image to which two models give different classes.
type Disagreement struct {
	File      string
	Label     string // the right class, empty where it is not known
	Got, Want Answer // of the model and of the other
	Thumbnail []byte // as [Thumbnail] returns it; empty shows the names only
}

// Answer is the class that a model gives to an image.
type Answer struct {
	Label string
	Score float64 // probability, 0..1
}

// Run is one of several models that are compared. Zero Bytes and Latency are not known, and
// neither are the others where they are NaN.
type Run struct {
	Name       string
	Bytes      int64
	Latency    time.Duration // median of a single image
	Top1, Top5 float64       // shares of the images, 0..1
	Agree      float64       // share of the images with the first model's class, 0..1
	SQNR       float64       // of the logits against the first model's, decibels
}
