package verify

import (
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"slices"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/finite"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/quant"
)

// Tolerance says when outputs are equal; see the package's rules.
type Tolerance struct {
	Abs float64 // how far two numbers may be apart
	Rel float64 // in proportion to the number wanted
	// Scaled multiplies Abs by the largest magnitude of the tensor wanted where that is more
	// than 1: rounding errors of numbers near zero are those of the sums that they come from.
	Scaled bool
	// Int8 asks for what 8 bits can keep instead: the outputs of several images are equal but
	// for a loss that is not [quant.Unusable]. Abs and Rel are not looked at.
	Int8 bool
}

// The tolerances that follow from what a network's numbers are rounded to.
var (
	DefaultTolerance = Tolerance{Abs: 1e-4, Rel: 1e-3, Scaled: true} // float32
	HalfTolerance    = Tolerance{Abs: 1e-2, Rel: 1e-2, Scaled: true} // float16, eleven significant bits
	Int8Tolerance    = Tolerance{Int8: true}
)

// ToleranceFor returns the tolerance for comparing the networks given, or one of them with
// the truth: that of the coarsest.
func ToleranceFor(graphs ...*graph.Graph) Tolerance {
	t := DefaultTolerance
	for _, g := range graphs {
		for _, w := range g.Weights() {
			if w.Const.DType == graph.Float16 {
				t = HalfTolerance
			}
		}
		for _, v := range g.Inputs {
			if v.Type != nil && v.Type.DType == graph.Float16 {
				t = HalfTolerance
			}
		}
		for _, n := range g.Nodes {
			switch op := n.Op.(type) {
			case graph.QuantizeLinear, graph.DequantizeLinear:
				return Int8Tolerance
			case graph.Cast:
				if op.To == graph.Float16 {
					t = HalfTolerance
				}
			}
		}
	}
	return t
}

// String says the rule.
func (t Tolerance) String() string {
	switch {
	case t.Int8:
		return fmt.Sprintf("SQNR of %v dB", quant.UsableSQNR)
	case t.Scaled:
		return fmt.Sprintf("%v·max(1, largest |reference|) + %v·|reference|", t.Abs, t.Rel)
	}
	return fmt.Sprintf("%v + %v·|reference|", t.Abs, t.Rel)
}

// Within reports whether got equals want: |got − want| ≤ Abs + Rel·|want|.
func (t Tolerance) Within(got, want float64) bool {
	return got == want || math.Abs(got-want) <= t.Abs+t.Rel*math.Abs(want) && !math.IsInf(want, 0)
}

// Comparison is what came of comparing a network's outputs with those wanted.
type Comparison struct {
	Equal bool // every element is within the tolerance
	// MaxAbs is the largest |got − want|; infinite where one of them is NaN.
	MaxAbs float64
	// RelL2 is ‖got − want‖₂ / ‖want‖₂.
	RelL2 float64
	// Top1Agree is the share of rows, images of a batch, that have the same top-1 class. It is
	// NaN for outputs that are not rows of logits.
	Top1Agree float64
	// SQNR is in decibels, infinite where nothing differs.
	SQNR float64
	// Verdict is set where the tolerance is that of int8.
	Verdict quant.Verdict
	// FirstDivergence is the first intermediate value that diverges, nil where the outputs
	// are equal or intermediate values were not compared.
	FirstDivergence *Divergence
	// Outputs are the outputs one by one, where there are several or they were compared by
	// name; the figures above are the worst of theirs.
	Outputs []Output
	// NotCompared names the outputs for which there was nothing to compare with.
	NotCompared []string
	// NotFinite says, for each network whose outputs hold NaN or infinities, where they come
	// from; that of the network wanted first. [Check] and [Expect] look for it.
	NotFinite []NotFinite
}

// Output is an output's part in a comparison.
type Output struct {
	Name   string
	Equal  bool
	MaxAbs float64
	RelL2  float64
}

// MarshalJSON encodes o with null for numbers that are not finite.
func (o Output) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Name   string   `json:"name"`
		Equal  bool     `json:"equal"`
		MaxAbs *float64 `json:"max_abs"`
		RelL2  *float64 `json:"rel_l2"`
	}{o.Name, o.Equal, finite.OrNil(o.MaxAbs), finite.OrNil(o.RelL2)})
}

// Divergence is a value that differs between two networks.
type Divergence struct {
	Value  string  // its name
	MaxAbs float64 // largest |a − b|
}

// MarshalJSON encodes c as the commands print it; numbers that are not finite are null.
func (c Comparison) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Equal           bool          `json:"equal"`
		MaxAbs          *float64      `json:"max_abs"`
		RelL2           *float64      `json:"rel_l2"`
		Top1Agree       *float64      `json:"top1_agree"`
		FirstDivergence *Divergence   `json:"first_divergence"`
		SQNR            *float64      `json:"sqnr_db"`
		Verdict         quant.Verdict `json:"verdict,omitempty"`
		Outputs         []Output      `json:"outputs,omitempty"`
		NotCompared     []string      `json:"not_compared,omitempty"`
		NotFinite       []NotFinite   `json:"not_finite,omitempty"`
	}{c.Equal, finite.OrNil(c.MaxAbs), finite.OrNil(c.RelL2), finite.OrNil(c.Top1Agree), c.FirstDivergence, finite.OrNil(c.SQNR), c.Verdict, c.Outputs, c.NotCompared, c.NotFinite})
}

// MarshalJSON encodes d with null for an infinite distance.
func (d Divergence) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Value  string   `json:"value"`
		MaxAbs *float64 `json:"max_abs"`
	}{d.Value, finite.OrNil(d.MaxAbs)})
}

// Compare compares got with want, element by element. Rows are the first axis; a tensor
// with one axis is one row. Axes of size 1 do not count, so logits saved without their
// batch axis compare. The error wraps [graph.ErrShape] where the shapes differ.
func Compare(got, want *graph.Tensor, tol Tolerance) (Comparison, error) {
	return compare(got, want, tol, true)
}

// compare is Compare for outputs that may be logits, or never are.
func compare(got, want *graph.Tensor, tol Tolerance, logits bool) (Comparison, error) {
	if !slices.Equal(squeeze(got.Shape), squeeze(want.Shape)) {
		return Comparison{}, fmt.Errorf("%w: outputs of shape %v, expected %v", graph.ErrShape, got.Shape, want.Shape)
	}
	d := measure(got, want)
	if tol.Scaled {
		tol.Abs *= max(1, d.Magnitude)
	}
	c := Comparison{Equal: true, MaxAbs: d.MaxAbs, RelL2: d.RelL2(), SQNR: d.SQNR(), Top1Agree: math.NaN()}
	for a, b := range pieces(got, want) {
		for i := range a {
			c.Equal = c.Equal && tol.Within(a[i], b[i])
		}
	}
	rows, length := rowsOf(got.Shape)
	if wide, n := rowsOf(want.Shape); wide > rows {
		rows, length = wide, n
	}
	if logits && len(squeeze(got.Shape)) <= 2 {
		a, b, agree := got.Float64s(), want.Float64s(), 0
		for r := range rows {
			if k := Top1(a[r*length:][:length]); k >= 0 && k == Top1(b[r*length:][:length]) {
				agree++
			}
		}
		c.Top1Agree = 1
		if rows > 0 {
			c.Top1Agree = float64(agree) / float64(rows)
		}
	}
	if tol.Int8 {
		c.Verdict = quant.Loss{Images: rows, SQNR: c.SQNR, Agree: c.Top1Agree, Classes: c.Top1Agree == c.Top1Agree}.Verdict()
		c.Equal = c.Verdict != quant.Unusable
	}
	return c, nil
}

// add makes c the comparison of one output more.
func (c *Comparison) add(name string, o Comparison) {
	if len(c.Outputs) == 0 {
		outputs, rest := c.Outputs, c.NotCompared
		*c = o
		c.Outputs, c.NotCompared = outputs, rest
	}
	c.Outputs = append(c.Outputs, Output{name, o.Equal, o.MaxAbs, o.RelL2})
	c.Equal = c.Equal && o.Equal
	c.MaxAbs, c.RelL2, c.SQNR = max(c.MaxAbs, o.MaxAbs), max(c.RelL2, o.RelL2), min(c.SQNR, o.SQNR)
	c.Top1Agree = min(c.Top1Agree, o.Top1Agree) // NaN where one of them is
	if o.SQNR <= c.SQNR {
		c.Verdict = o.Verdict
	}
}

// givesLogits reports whether a network's outputs may be rows of logits: it does not say that
// it has no classes, as one that gives feature maps or an embedding does.
func givesLogits(g *graph.Graph) bool { return g.Metadata[model.MetaClasses] != "0" }

func squeeze(shape []int) []int {
	return slices.DeleteFunc(slices.Clone(shape), func(d int) bool { return d == 1 })
}

// rowsOf returns how many rows a tensor has and how many elements each of them.
func rowsOf(shape []int) (rows, length int) {
	if len(shape) < 2 {
		n, _ := graph.Numel(shape)
		return 1, n
	}
	length, _ = graph.Numel(shape[1:])
	return shape[0], length
}

// Distance sums up how far lists of numbers are apart. The zero value is that of none; those
// of parts merge into that of the whole.
type Distance struct {
	MaxAbs        float64 // largest |got−want|
	Magnitude     float64 // largest finite |want|
	Signal, Noise float64 // Σ want² of those that are finite, Σ (got−want)²
}

func measure(got, want *graph.Tensor) Distance {
	var d Distance
	for a, b := range pieces(got, want) {
		d.Add(a, b)
	}
	return d
}

// pieces yields the numbers of two tensors of one size, some thousands at a time: the outputs of a
// segmenter take hundreds of megabytes as they are.
func pieces(a, b *graph.Tensor) iter.Seq2[[]float64, []float64] {
	const most = 1 << 14
	a, b = a.Reshape(a.Len()), b.Reshape(b.Len())
	return func(yield func(a, b []float64) bool) {
		for i := 0; i < a.Len(); i += most {
			end := min(i+most, a.Len())
			if !yield(a.Slice(i, end).Float64s(), b.Slice(i, end).Float64s()) {
				return
			}
		}
	}
}

// Add adds two lists of one length.
func (d *Distance) Add(got, want []float64) {
	for i := range got {
		diff := math.Abs(got[i] - want[i])
		switch {
		case got[i] == want[i]: // also infinities, whose difference is NaN
			diff = 0
		case math.IsNaN(diff):
			diff = math.Inf(1)
		}
		d.MaxAbs = max(d.MaxAbs, diff)
		d.Noise += diff * diff
		if m := math.Abs(want[i]); m <= math.MaxFloat64 {
			d.Magnitude = max(d.Magnitude, m)
			d.Signal += m * m
		}
	}
}

// Merge adds what another distance has summed up.
func (d *Distance) Merge(o Distance) {
	d.MaxAbs, d.Magnitude = max(d.MaxAbs, o.MaxAbs), max(d.Magnitude, o.Magnitude)
	d.Signal += o.Signal
	d.Noise += o.Noise
}

// RelL2 is √Σ(got−want)² / √Σwant², 0 where nothing differs.
func (d Distance) RelL2() float64 {
	if d.Noise == 0 {
		return 0
	}
	return math.Sqrt(d.Noise) / math.Sqrt(d.Signal)
}

// SQNR is the signal-to-noise ratio in decibels; infinite where nothing differs.
func (d Distance) SQNR() float64 {
	if d.Noise == 0 {
		return math.Inf(1)
	}
	return 10 * math.Log10(d.Signal/d.Noise)
}

// Top1 returns the index of the largest number, the first of several; −1 for no numbers.
func Top1(v []float64) int {
	best := -1
	for i, x := range v {
		if x == x && (best < 0 || x > v[best]) {
			best = i
		}
	}
	return best
}

// Rank returns how many indexes stand before k in descending order, equal numbers in
// order of index and NaN last.
func Rank(v []float64, k int) int {
	n := 0
	for i, x := range v {
		switch {
		case v[k] != v[k]:
			if x == x || i < k {
				n++
			}
		case x > v[k] || x == v[k] && i < k:
			n++
		}
	}
	return n
}
