package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/repvit-go/repvit/evaluate"
	"github.com/repvit-go/repvit/quant"
	"github.com/repvit-go/repvit/verify"
)

// Bounds of what a file shows.
const (
	maxRows       = 2000
	maxBlocks     = 512
	maxConfusions = 20
	maxClasses    = 20 // of a confusion matrix
	maxThumbnails = 48
	maxPictures   = 24
)

// both draws a plot for wide pages and one for narrow ones.
func both(draw func(class string, width, height float64) *plot) []*plot {
	return []*plot{draw("wide", 800, 316), draw("narrow", 340, 276)}
}

// errorsView is an Errors section with its plot.
type errorsView struct {
	Errors
	Plots    []*plot
	Worst    verify.Layer
	Diverges string // name of the first layer beyond the tolerance
	Marked   string // name of the layer that the plot points at
	Equal    bool   // every layer is, bit by bit
	Peaks    bool   // MaxAbs is known
	Left     int    // rows left out of the table
}

func viewErrors(e Errors) errorsView {
	v := errorsView{Errors: e, Equal: true}
	if e.Divergence != nil {
		v.Diverges = e.Divergence.Value
	}
	v.Marked = v.Diverges
	var names []string
	var values []float64
	worst := -1
	for i, l := range e.Layers {
		names, values = append(names, l.Value), append(values, l.RelL2)
		v.Equal = v.Equal && l.RelL2 == 0 && l.MaxAbs == 0
		v.Peaks = v.Peaks || !math.IsNaN(l.MaxAbs) || math.IsNaN(l.RelL2)
		if worst < 0 || l.RelL2 > values[worst] || math.IsNaN(l.RelL2) && !math.IsNaN(values[worst]) {
			worst = i
		}
	}
	if worst < 0 {
		return v
	}
	v.Worst = e.Layers[worst]
	at, text := slices.Index(names, v.Diverges), "first divergence"
	if at < 0 {
		at, text, v.Marked = worst, "largest error", v.Worst.Value
	}
	if !v.Equal {
		a := errorAxis(values)
		v.Plots = both(func(class string, w, h float64) *plot {
			p := frame(class, w, h, a, "relative error ‖a−b‖/‖b‖")
			p.Label = fmt.Sprintf("%s: relative error of %s in order of computation, on a logarithmic scale; %s at %s",
				clean(e.Title), plural(len(names), "layer"), text, clean(names[at]))
			p.ordinal(names)
			var dots, line drawing
			for i, y := range values {
				x, y := p.x(position(i, len(values))), p.y(a, y)
				dots.dot(x, y)
				line.pair("ML"[min(i, 1)], x, y)
			}
			p.Paths = append(p.Paths, line.path("trace"), dots.path("dots"))
			p.point(p.x(position(at, len(values))), p.y(a, values[at]), text, v.Diverges != "")
			return p
		})
	}
	v.Left = max(0, len(v.Layers)-maxRows)
	v.Layers = v.Layers[:len(v.Layers)-v.Left]
	return v
}

// rangesView is a Ranges section with its plot.
type rangesView struct {
	Ranges
	Plots     []*plot
	Quantized bool
	Left      int
}

// quantized reports whether a tensor's range is one that integers cover.
func quantized(r quant.Range) bool { return r.Low != 0 || r.High != 0 }

// clipped is the share of the range seen that the quantized tensor cannot hold, 0..1; NaN
// where the tensor is not quantized.
func clipped(r quant.Range) float64 {
	if !quantized(r) {
		return math.NaN()
	}
	if !(r.Max > r.Min) {
		return 0
	}
	cut := max(0, r.Low-r.Min) + max(0, r.Max-r.High)
	return min(1, cut/(r.Max-r.Min))
}

func viewRanges(r Ranges) rangesView {
	v := rangesView{Ranges: r}
	lo, hi := 0.0, 0.0
	var names []string
	var sizes []float64
	for _, t := range r.Tensors {
		names = append(names, t.Name)
		v.Quantized = v.Quantized || quantized(t)
		for _, f := range []float64{t.Min, t.Max, t.Low, t.High} {
			if !math.IsNaN(f) && !math.IsInf(f, 0) {
				lo, hi = min(lo, f), max(hi, f)
			}
		}
		if s := max(math.Abs(t.Min), math.Abs(t.Max)); !math.IsNaN(s) && !math.IsInf(s, 0) {
			sizes = append(sizes, s)
		}
	}
	if len(sizes) > 0 {
		slices.Sort(sizes)
		a := rangeAxis(lo, hi, sizes[len(sizes)/2])
		v.Plots = both(func(class string, w, h float64) *plot {
			p := frame(class, w, h, a, "value")
			p.Label = fmt.Sprintf("%s: smallest and largest value of %s", clean(r.Title), plural(len(names), "tensor"))
			p.ordinal(names)
			var seen, held drawing
			for i, t := range r.Tensors {
				x := p.x(position(i, len(names)))
				bar(&seen, p, a, x, t.Min, t.Max)
				if quantized(t) {
					bar(&held, p, a, x, t.Low, t.High)
				}
			}
			p.Paths = append(p.Paths, held.path("held"), seen.path("seen"))
			return p
		})
	}
	v.Left = max(0, len(v.Tensors)-maxRows)
	v.Tensors = v.Tensors[:len(v.Tensors)-v.Left]
	return v
}

func bar(d *drawing, p *plot, a axis, x, lo, hi float64) {
	if math.IsNaN(lo) || math.IsNaN(hi) {
		return
	}
	top, bottom := p.y(a, hi), p.y(a, lo)
	d.line(x, top, x, max(bottom, top+1))
}

// logitsView is the Logits section with its two plots.
type logitsView struct {
	Name, Reference string
	Count, Beyond   int // elements, and those of them that are not finite on either side
	MaxAbs, RMS     float64
	Plots           []*plot
}

func viewLogits(l *Logits) *logitsView {
	if l == nil || min(len(l.Got), len(l.Want)) == 0 {
		return nil
	}
	v := &logitsView{Name: l.Name, Reference: l.Reference, Count: min(len(l.Got), len(l.Want))}
	lo, hi, dlo, dhi, sum := math.Inf(1), math.Inf(-1), 0.0, 0.0, 0.0
	each := func(f func(got, want float64)) {
		for i := range v.Count {
			got, want := float64(l.Got[i]), float64(l.Want[i])
			if d := got - want; !math.IsNaN(d) && !math.IsInf(d, 0) {
				f(got, want)
			}
		}
	}
	finite := 0
	each(func(got, want float64) {
		finite++
		d := got - want
		lo, hi, dlo, dhi, sum = min(lo, got, want), max(hi, got, want), min(dlo, d), max(dhi, d), sum+d*d
	})
	v.Beyond = v.Count - finite
	if finite == 0 {
		return v
	}
	v.MaxAbs, v.RMS = max(-dlo, dhi), math.Sqrt(sum/float64(finite))
	name, reference := clean(l.Name), clean(l.Reference)
	x, y := linearAxis(lo, hi, 5), linearAxis(lo, hi, 6)
	p := frame("", 340, 316, y, "logits of "+name)
	p.Label = fmt.Sprintf("Logits of %s against those of %s: equal logits lie on the diagonal", name, reference)
	p.horizontal(x, "logits of "+reference)
	var diagonal, dots drawing
	diagonal.line(p.x(x.at(lo)), p.y(y, lo), p.x(x.at(hi)), p.y(y, hi))
	each(func(got, want float64) { dots.dot(p.x(x.at(want)), p.y(y, got)) })
	p.Paths = []path{diagonal.path("guide"), dots.path("dots small")}

	e := linearAxis(dlo, dhi, 6)
	q := frame("", 340, 316, e, "difference")
	q.Label = fmt.Sprintf("Difference of the logits over those of %s: equal logits lie on the line at zero", reference)
	q.horizontal(x, "logits of "+reference)
	var zero, diff drawing
	zero.line(q.Left, q.y(e, 0), q.Right, q.y(e, 0))
	each(func(got, want float64) { diff.dot(q.x(x.at(want)), q.y(e, got-want)) })
	q.Paths = []path{zero.path("guide"), diff.path("dots small")}
	v.Plots = []*plot{p, q}
	return v
}

// networkView is the Network section with the widths of its bars.
type networkView struct {
	Input      string
	Timed      bool
	Parameters int64
	MACs       int64
	Time       time.Duration
	Stages     []stageView
	Left       int // blocks left out
}

type stageView struct {
	Stage
	Share  float64 // of the network's time, or of its MACs, 0..1
	Bars   []barView
	Blocks []blockView
}

// barView is a block's rectangle in a bar 1000 wide that stands for the costliest stage.
type barView struct {
	X, Width float64
	SE       bool
	Title    string
}

type blockView struct {
	Block
	Share float64 // of the costliest block
}

func viewNetwork(n *Network) *networkView {
	if n == nil || len(n.Stages) == 0 {
		return nil
	}
	v := &networkView{Input: n.Input}
	for _, s := range n.Stages {
		v.Parameters += s.Parameters()
		v.MACs += s.MACs()
		v.Time += s.Time()
	}
	v.Timed = v.Time > 0
	cost := func(b Block) float64 {
		if v.Timed {
			return float64(b.Time)
		}
		return float64(b.MACs)
	}
	var total, dearest, block float64
	sums := make([]float64, len(n.Stages))
	for i, s := range n.Stages {
		for _, b := range s.Blocks {
			sums[i] += cost(b)
			block = max(block, cost(b))
		}
		total += sums[i]
		dearest = max(dearest, sums[i])
	}
	room := maxBlocks
	for i, s := range n.Stages {
		w := stageView{Stage: s, Share: ratio(sums[i], total)}
		x := 0.0
		for _, b := range s.Blocks {
			if room--; room < 0 {
				v.Left++
				continue
			}
			width := 1000 * ratio(cost(b), dearest)
			title := b.Name + " · " + count(b.MACs) + " MACs"
			if v.Timed {
				title = b.Name + " · " + milliseconds(b.Time)
			}
			w.Bars = append(w.Bars, barView{round(x), round(max(width-3, 1)), strings.Contains(b.Kinds, "SE"), title})
			w.Blocks = append(w.Blocks, blockView{b, ratio(cost(b), block)})
			x += width
		}
		v.Stages = append(v.Stages, w)
	}
	return v
}

func ratio(a, b float64) float64 {
	if b <= 0 {
		return 0
	}
	return a / b
}

// imagesView is the Images section, its lists in order and bounded.
type imagesView struct {
	*Images
	List   []evaluate.Confusion // most frequent first
	Others int                  // confusions that the list leaves out
	Matrix *matrix
	Left   int // disagreements that are not shown
}

// Class is how a class is shown.
func (m *Images) Class(i int) string {
	if i >= 0 && i < len(m.Labels) {
		return m.Labels[i]
	}
	return strconv.Itoa(i)
}

// matrix is the confusions as a table.
type matrix struct {
	Classes []int
	Rows    [][]cell
}

type cell struct {
	Count int
	Shade int // share of the row's wrong answers, in steps of a tenth
}

func viewImages(m *Images) *imagesView {
	if m == nil {
		return nil
	}
	copied := *m
	v := &imagesView{Images: &copied, List: m.Confusions()}
	v.Matrix = viewMatrix(v.List)
	slices.SortStableFunc(v.List, func(a, b evaluate.Confusion) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Label, b.Label), cmp.Compare(a.Predicted, b.Predicted))
	})
	v.Others = max(0, len(v.List)-maxConfusions)
	v.List = v.List[:len(v.List)-v.Others]
	for _, miss := range m.Misses {
		if m.Compared && miss.Top1 != miss.Against {
			v.Left++
		}
	}
	copied.Disagreements = m.Disagreements[:min(len(m.Disagreements), maxThumbnails)]
	v.Left = max(v.Left, len(m.Disagreements)) - len(copied.Disagreements)
	return v
}

// viewMatrix makes a matrix of the confusions, or nil of those between too many classes.
func viewMatrix(list []evaluate.Confusion) *matrix {
	var m matrix
	for _, c := range list {
		for _, k := range []int{c.Label, c.Predicted} {
			if !slices.Contains(m.Classes, k) {
				m.Classes = append(m.Classes, k)
			}
		}
		if len(m.Classes) > maxClasses {
			return nil
		}
	}
	if len(m.Classes) < 2 {
		return nil
	}
	slices.Sort(m.Classes)
	for _, label := range m.Classes {
		row, sum := make([]cell, len(m.Classes)), 0
		for _, c := range list {
			if c.Label == label {
				row[slices.Index(m.Classes, c.Predicted)].Count, sum = c.Count, sum+c.Count
			}
		}
		for i, c := range row {
			if c.Count > 0 {
				row[i].Shade = max(1, int(math.Round(10*float64(c.Count)/float64(sum))))
			}
		}
		m.Rows = append(m.Rows, row)
	}
	return &m
}

// apRow is a line of the detector's figures.
type apRow struct {
	Name         string
	Boxes, Masks float64 // NaN where there is none
}

// viewAP returns COCO's twelve figures.
func viewAP(r *evaluate.DetectionResult) (rows []apRow) {
	if r == nil {
		return nil
	}
	b, m := r.Boxes, r.Masks
	return []apRow{
		{"AP", b.AP, m.AP}, {"AP50", b.AP50, m.AP50}, {"AP75", b.AP75, m.AP75},
		{"AP, small objects", b.APSmall, m.APSmall}, {"AP, medium", b.APMedium, m.APMedium}, {"AP, large", b.APLarge, m.APLarge},
		{"recall, 1 detection", b.AR1, m.AR1}, {"recall, 10", b.AR10, m.AR10}, {"recall, 100", b.AR100, m.AR100},
		{"recall, small objects", b.ARSmall, m.ARSmall}, {"recall, medium", b.ARMedium, m.ARMedium}, {"recall, large", b.ARLarge, m.ARLarge},
	}
}

// runView is a line of the comparison, with bars.
type runView struct {
	Run
	BytesShare, LatencyShare float64 // of the largest
}

func viewRuns(runs []Run) []runView {
	var bytes, latency float64
	for _, r := range runs {
		bytes, latency = max(bytes, float64(r.Bytes)), max(latency, float64(r.Latency))
	}
	var v []runView
	for _, r := range runs[:min(len(runs), maxRows)] {
		v = append(v, runView{r, ratio(float64(r.Bytes), bytes), ratio(float64(r.Latency), latency)})
	}
	return v
}
