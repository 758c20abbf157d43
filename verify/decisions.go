package verify

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"slices"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/verify/reference"
)

// decisions are the nodes of a network whose results may jump where their operands hardly change
// ([graph.Decides]): what rounding decides there is no error.
func decisions(g *graph.Graph) []*graph.Node {
	var list []*graph.Node
	for _, n := range g.Nodes {
		if n.Is(graph.Decides) {
			list = append(list, n)
		}
	}
	return list
}

// undecided returns two networks without their decisions, which must be the same operators in the
// same order: what is decided about are outputs, and what want has decided for the inputs are constants in
// both. Equal outputs then mean that the networks are equal but for decisions that rounding turns.
// Both are nil where there is nothing to decide, or not the same. Release frees them.
func undecided(ctx context.Context, got, want Engine, inputs []*graph.Tensor) (g, w Engine, release func(), err error) {
	release = func() {}
	a, b := decisions(got.Graph()), decisions(want.Graph())
	if len(a) == 0 || len(a) != len(b) {
		return nil, nil, release, nil
	}
	pa, pb := got.Graph().Producers(), want.Graph().Producers()
	for i, n := range a {
		same := reflect.DeepEqual(n.Op, b[i].Op) && len(n.Inputs) == len(b[i].Inputs)
		for k := 0; same && k < len(n.Inputs); k++ {
			_, x := logits(pa, n.Inputs[k])
			_, y := logits(pb, b[i].Inputs[k])
			same = reflect.DeepEqual(x, y)
		}
		if !same {
			return nil, nil, release, nil
		}
	}
	// What want decides.
	all := want.Graph().Clone()
	all.Outputs = nil
	for _, n := range decisions(all) {
		all.Outputs = append(all.Outputs, n.Outputs()...)
	}
	e, free, err := like(want, all)
	if err != nil {
		return nil, nil, release, err
	}
	defer free()
	decided, err := RunAll(ctx, e, inputs...)
	if err != nil {
		return nil, nil, release, err
	}
	var frees []func()
	release = func() {
		for _, f := range frees {
			f()
		}
	}
	for _, one := range []struct {
		of Engine
		to *Engine
	}{{got, &g}, {want, &w}} {
		without, err := withDecisions(one.of.Graph(), decided)
		if err != nil {
			release()
			return nil, nil, func() {}, err
		}
		if *one.to, free, err = like(one.of, without); err != nil {
			release()
			return nil, nil, func() {}, err
		}
		frees = append(frees, free)
	}
	return g, w, release, nil
}

// logits returns what probabilities are made of, and by which operator; other values themselves. Where
// logits are large, what rounds off of them is more of a probability than of them: classifiers are
// compared by logits, too.
func logits(producers map[*graph.Value]*graph.Node, v *graph.Value) (*graph.Value, graph.Op) {
	if n := producers[v]; n != nil {
		switch n.Op.(type) {
		case graph.Softmax, graph.Sigmoid:
			return n.Inputs[0], n.Op
		}
	}
	return v, nil
}

// withDecisions returns a network in which decisions are constants, the outputs of their nodes one
// after the other, and what was decided about are outputs.
func withDecisions(g *graph.Graph, decided []*graph.Tensor) (*graph.Graph, error) {
	types, err := g.Types()
	if err != nil {
		return nil, err
	}
	before := decisions(g)
	c := g.Clone()
	constants := map[*graph.Value]*graph.Value{}
	k := 0
	for i, n := range decisions(c) {
		for j, v := range n.Outputs() {
			t := decided[k]
			if d := types[before[i].Outputs()[j]].DType; d != t.DType {
				if !d.IsFloat() || !t.DType.IsFloat() {
					return nil, fmt.Errorf("%w: %s gave %v, expected %v", graph.ErrShape, v.Name, t.DType, d)
				}
				if t = graph.Float32Tensor(t.Shape, t.Float32s()); d == graph.Float16 {
					t = t.Half()
				}
			}
			constants[v] = graph.Weight(v.Name, t)
			k++
		}
	}
	outputs := c.Outputs
	c.Outputs = nil
	seen := map[*graph.Value]bool{}
	producers := c.Producers()
	give := func(v *graph.Value) {
		if v.Const == nil && constants[v] == nil && !seen[v] {
			seen[v] = true
			c.Outputs = append(c.Outputs, v)
		}
	}
	var kept []*graph.Node
	for _, n := range c.Nodes {
		if n.Is(graph.Decides) {
			for _, v := range n.Inputs {
				v, _ = logits(producers, v)
				give(v)
			}
			continue
		}
		for i, v := range n.Inputs {
			if constants[v] != nil {
				n.Inputs[i] = constants[v]
			}
		}
		kept = append(kept, n)
	}
	c.Nodes = kept
	for _, v := range outputs {
		give(v)
	}
	c.Prune()
	return c, nil
}

// like returns an engine for another network that works as one does, and what frees it.
func like(e Engine, g *graph.Graph) (Engine, func(), error) {
	switch e := e.(type) {
	case *infer.Session:
		s, err := e.Like(g)
		if err != nil {
			return nil, nil, err
		}
		return s, func() { s.Close() }, nil
	case Session:
		return Session{g, e.Options}, func() {}, nil
	case *reference.Network:
		n, err := e.Like(g)
		return n, func() {}, err
	}
	return nil, nil, fmt.Errorf("%w: an engine of type %T, expected one of package infer or verify/reference", graph.ErrUnsupported, e)
}

// closeDecisions makes a comparison of classes of pixels equal where the classes that differ are
// those between which the logits hardly differ.
func closeDecisions(ctx context.Context, got Engine, inputs []*graph.Tensor, output int, want *graph.Tensor, tol Tolerance, c *Comparison) error {
	g := got.Graph().Clone()
	classes := g.Outputs[output]
	n := g.Producers()[classes]
	if n == nil {
		return nil
	}
	op, ok := n.Op.(graph.ArgMax)
	if !ok || n.Inputs[0].Const != nil || !op.KeepDims {
		return nil
	}
	g.Outputs = []*graph.Value{classes, n.Inputs[0]}
	e, free, err := like(got, g)
	if err != nil {
		return err
	}
	defer free()
	found, err := RunAll(ctx, e, inputs...)
	if err != nil {
		return err
	}
	shape := found[1].Shape
	axis := len(shape) + op.Axis
	count, inner := shape[axis], 1
	for _, d := range shape[axis+1:] {
		inner *= d
	}
	a, b := found[0].Float64s(), want.Float64s()
	if tol.Scaled {
		tol.Abs *= max(1, measure(found[1], found[1]).Magnitude)
	}
	logits := found[1].Reshape(found[1].Len())
	for i := range a {
		if a[i] == b[i] {
			continue
		}
		if !(b[i] >= 0 && b[i] < float64(count)) {
			return nil
		}
		at := func(class float64) float64 {
			k := (i/inner*count+int(class))*inner + i%inner
			return logits.Slice(k, k+1).Float64s()[0]
		}
		if !tol.Within(at(a[i]), at(b[i])) {
			return nil
		}
	}
	c.Equal = true
	return nil
}

// How far float32 may be from the truth in what a detector finds, as measured several times over:
// boxes in pixels, scores, and the values of masks.
const (
	BoxTolerance   = 1e-2
	ScoreTolerance = 2e-4
	MaskTolerance  = 2e-3
)

// detectionPart are the parts of one output that belong together, detection by detection.
type detectionPart struct {
	got, want  [][]float64
	tolerances []float64 // of each number of a detection; the last is that of all behind it
	missing    bool      // there are others, or other classes
}

// compare compares the detections of both.
func (p *detectionPart) compare(tol Tolerance) (Comparison, error) {
	c := Comparison{Equal: !p.missing, Top1Agree: math.NaN()}
	var d Distance
	for i, got := range p.got {
		d.Add(got, p.want[i])
		for k, v := range got {
			limit := p.tolerances[min(k, len(p.tolerances)-1)]
			if tol != DefaultTolerance {
				limit = tol.Abs + tol.Rel*math.Abs(p.want[i][k])
			}
			c.Equal = c.Equal && math.Abs(v-p.want[i][k]) <= limit
		}
	}
	if c.MaxAbs, c.RelL2, c.SQNR = d.MaxAbs, d.RelL2(), d.SQNR(); p.missing {
		c.MaxAbs = math.Inf(1)
	}
	return c, nil
}

// matchDetections pairs what a detector has found with what is wanted, where there are boxes among
// it, and returns the parts by the names of the outputs.
func matchDetections(g *graph.Graph, found []*graph.Tensor, want map[string]*graph.Tensor) (map[string]*detectionPart, error) {
	i := slices.IndexFunc(g.Nodes, func(n *graph.Node) bool { _, ok := n.Op.(graph.Detections); return ok })
	if i < 0 {
		return nil, nil
	}
	var names [3]string // of boxes, classes, masks
	var got, right [3]*graph.Tensor
	for k, v := range g.Outputs {
		part := 2
		switch v {
		case g.Nodes[i].Output:
			part = 0
		case g.Nodes[i].Further[0]:
			part = 1
		}
		names[part], got[part], right[part] = v.Name, found[k], want[v.Name]
	}
	if got[0] == nil || right[0] == nil {
		return nil, nil
	}
	if s := right[0].Shape; len(s) != 3 || s[0] != 1 || s[2] != 5 {
		return nil, fmt.Errorf("output %q: %w: found shape %v, expected 1×K×5", names[0], graph.ErrShape, s)
	}
	for p := 1; p < 3; p++ {
		if right[p] == nil || got[p] == nil {
			continue
		}
		if s := right[p].Shape; len(s) < 2 || !slices.Equal(s[:2], right[0].Shape[:2]) || !slices.Equal(s[2:], got[p].Shape[2:]) {
			return nil, fmt.Errorf("output %q: %w: found shape %v beside boxes of %v, expected one of %v for each", names[p], graph.ErrShape, s, right[0].Shape, got[p].Shape[2:])
		}
	}
	a, b := objects(got[:]), objects(right[:])
	parts := map[string]*detectionPart{}
	missing := len(a) != len(b)
	for p, tolerances := range [][]float64{{BoxTolerance, BoxTolerance, BoxTolerance, BoxTolerance, ScoreTolerance}, {0}, {MaskTolerance}} {
		if right[p] != nil && got[p] != nil {
			parts[names[p]] = &detectionPart{tolerances: tolerances, missing: missing}
		}
	}
	if missing {
		return parts, nil
	}
	left := slices.Clone(a)
	for _, o := range b {
		// The nearest that is left, of its class if there is one.
		best := slices.MinFunc(left, func(x, y object) int {
			dx, dy := o.distance(x), o.distance(y)
			switch {
			case dx < dy:
				return -1
			case dx > dy:
				return 1
			}
			return 0
		})
		left = slices.DeleteFunc(left, func(x object) bool { return x.row == best.row })
		for p, name := range names {
			if part := parts[name]; part != nil {
				part.got, part.want = append(part.got, best.parts[p]), append(part.want, o.parts[p])
			}
		}
	}
	return parts, nil
}

// object is a detection: box and score, class, mask.
type object struct {
	row   int
	parts [3][]float64
}

// objects are the detections of outputs; rows without a score are none.
func objects(outputs []*graph.Tensor) []object {
	var list []object
	for row := range outputs[0].Shape[1] {
		o := object{row: row}
		for p, t := range outputs {
			if t != nil {
				v := t.Float64s()
				n := len(v) / t.Shape[1]
				o.parts[p] = v[row*n:][:n]
			}
		}
		if o.parts[0][4] > 0 {
			list = append(list, o)
		}
	}
	return list
}

// distance is how far another detection is: first that it is of the same class, then the largest
// difference of box and score.
func (o object) distance(other object) float64 {
	d := 0.0
	for k, v := range o.parts[0] {
		d = max(d, math.Abs(v-other.parts[0][k]))
	}
	if len(o.parts[1]) > 0 && len(other.parts[1]) > 0 && o.parts[1][0] != other.parts[1][0] {
		d += 1e9
	}
	return d
}
