package report

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
)

// Network is a network as stages of blocks, with what each costs.
type Network struct {
	Input  string // shape of the input, "1×3×224×224"
	Stages []Stage
}

// Stage is a run of blocks whose outputs have one shape.
type Stage struct {
	Name   string // "Stem", "Stage 1", …, "Head"
	Shape  string // of its output
	Blocks []Block
}

// Block is a part of the network that its names hold together: "features.3".
type Block struct {
	Name       string
	Kinds      string // its operators that have weights, in order: "dw 3×3 · SE · 1×1 · 1×1"
	Parameters int64
	MACs       int64
	Time       time.Duration // zero where it was not measured
}

// profileRuns is how often a network runs for the times in a report, unless that takes longer
// than profileTime.
const (
	profileRuns = 20
	profileTime = time.Second
)

// Profile measures a network for an input N×C×H×W, block by block. The error is that of the session.
func Profile(ctx context.Context, s *infer.Session, x *graph.Tensor) (*Network, error) {
	start := time.Now()
	times, err := s.Profile(ctx, x, 1)
	if runs := min(profileRuns, int(profileTime/max(time.Since(start), 1))); err == nil && runs > 1 {
		times, err = s.Profile(ctx, x, runs)
	}
	if err != nil {
		return nil, err
	}
	return NewNetwork(s.Graph(), x.Shape, times)
}

// NewNetwork divides a graph into blocks by the names of its values and into stages by
// their shapes, for an input of the shape given (N×C×H×W). times are those of
// [infer.Session.Profile], or nil. The error wraps [graph.ErrShape] or [graph.ErrGraph]
// where the input does not fit the graph.
func NewNetwork(g *graph.Graph, input []int, times []infer.OpTime) (*Network, error) {
	types, err := g.Infer(graph.FixedShape(input...))
	if err != nil {
		return nil, err
	}
	d := divider{types: types, blocks: map[string]*part{}, of: map[string]*part{}, counted: map[*graph.Value]bool{}}
	d.divide(g)
	for _, t := range times {
		if p := d.of[t.Name]; p != nil {
			p.Time += t.Time
		}
	}
	return &Network{Input: graph.FixedShape(input...).String(), Stages: d.stages()}, nil
}

// part is a block that is being put together.
type part struct {
	Block
	kinds []string
	shape graph.Shape // of its last value
	stem  bool        // reads the graph's input
	pools bool        // holds nothing but pooling and conversions
}

type divider struct {
	types   map[*graph.Value]graph.Type
	blocks  map[string]*part // by name
	order   []*part
	of      map[string]*part // by the name of the value that a node produces
	counted map[*graph.Value]bool
}

// divide gives every node to a block. Nodes that depend on constants alone, such as the
// DequantizeLinear of a weight, go to the block of the node that reads them.
func (d *divider) divide(g *graph.Graph) {
	var pending []*graph.Node
	constant := map[*graph.Value]bool{}
	for _, n := range g.Nodes {
		if !slices.ContainsFunc(n.Inputs, func(v *graph.Value) bool { return v.Const == nil && !constant[v] }) {
			constant[n.Output] = true
			pending = append(pending, n)
			continue
		}
		p := d.block(n)
		d.put(p, n)
		p.shape = d.types[n.Output].Shape
		p.stem = p.stem || slices.ContainsFunc(n.Inputs, func(v *graph.Value) bool { return v.Type != nil })
		_, pool := n.Op.(graph.GlobalAveragePool)
		moves := n.Is(graph.Selects) && !n.Is(graph.Homogeneous) // and does not choose, as MaxPool
		p.pools = p.pools && (pool || moves || n.Is(graph.Converts))
		d.adopt(p, n, pending)
	}
}

// adopt puts the constant nodes that n reads, directly or not, into its block.
func (d *divider) adopt(p *part, n *graph.Node, pending []*graph.Node) {
	for _, c := range slices.Backward(pending) {
		if d.of[c.Name()] == nil && slices.Contains(n.Inputs, c.Output) {
			d.put(p, c)
			d.adopt(p, c, pending)
		}
	}
}

// put counts a node's parameters and multiplications towards a block.
func (d *divider) put(p *part, n *graph.Node) {
	d.of[n.Name()] = p
	p.MACs += n.MACs(d.types)
	for _, v := range n.Trainable() {
		if v.Const != nil && !d.counted[v] {
			d.counted[v] = true
			p.Parameters += int64(v.Const.Len())
		}
	}
	if k := d.kind(n); k != "" && (len(p.kinds) == 0 || k != "SE" || p.kinds[len(p.kinds)-1] != k) {
		p.kinds = append(p.kinds, k)
	}
}

// kind is how a block's description names an operator; empty for those it leaves out.
func (d *divider) kind(n *graph.Node) string {
	switch op := n.Op.(type) {
	case graph.Conv:
		x, x4 := d.types[n.Inputs[0]].Shape.Ints()
		w, w4 := d.types[n.Inputs[1]].Shape.Ints()
		if !x4 || !w4 {
			return "conv"
		}
		if x[2] == 1 && x[3] == 1 && strings.Contains(n.Name(), ".se.") {
			return "SE"
		}
		s := fmt.Sprintf("%d×%d", w[2], w[3])
		if op.Group > 1 && op.Group == x[1] {
			s = "dw " + s
		}
		if op.Strides[0] > 1 {
			s += fmt.Sprintf(" s%d", op.Strides[0])
		}
		return s
	case graph.GlobalAveragePool:
		if !strings.Contains(n.Name(), ".") {
			return "mean"
		}
	}
	if n.Is(graph.Linear) {
		return "linear"
	}
	return ""
}

// block finds or begins the block that a node belongs to.
func (d *divider) block(n *graph.Node) *part {
	name := blockName(n.Name())
	if !strings.ContainsAny(n.Name(), "./") {
		_, norm := n.Op.(graph.BatchNorm)
		if norm || n.Op.Traits().Any(graph.Arithmetic|graph.Activation) {
			// The end of a block that has a name of its own, as a graph's output has.
			if p := d.of[n.Inputs[0].Name]; p != nil {
				return p
			}
		}
	}
	p := d.blocks[name]
	if p == nil {
		p = &part{Block: Block{Name: name}, pools: true}
		d.blocks[name] = p
		d.order = append(d.order, p)
	}
	return p
}

// blockName is the leading part of a value's name: "features.3" of
// "features.3.token_mixer.dw", "classifier" of "classifier.classifier.bn".
func blockName(name string) string {
	f := strings.FieldsFunc(name, func(r rune) bool { return r == '.' || r == '/' })
	switch {
	case len(f) == 0:
		return name
	case len(f) > 1 && strings.Trim(f[1], "0123456789") == "":
		return f[0] + "." + f[1]
	}
	return f[0]
}

func (d *divider) stages() []Stage {
	var s []Stage
	last, number := "", 0
	for _, p := range d.order {
		p.Kinds = strings.Join(p.kinds, " · ")
		shape := p.shape.String()
		name := "Stage"
		switch {
		case p.stem && len(s) == 0:
			name = "Stem"
		case len(p.shape) == 2 || p.pools && len(s) > 0:
			name = "Head"
		}
		if name == "Stage" {
			if shape != last {
				number++
				last = shape
			}
			name = fmt.Sprintf("Stage %d", number)
		}
		if len(s) == 0 || s[len(s)-1].Name != name {
			s = append(s, Stage{Name: name})
		}
		e := &s[len(s)-1]
		e.Shape = shape
		e.Blocks = append(e.Blocks, p.Block)
	}
	return s
}

// Parameters returns the trainable parameters of the stage.
func (s Stage) Parameters() (n int64) {
	for _, b := range s.Blocks {
		n += b.Parameters
	}
	return n
}

// MACs returns the multiply-accumulate operations of the stage.
func (s Stage) MACs() (n int64) {
	for _, b := range s.Blocks {
		n += b.MACs
	}
	return n
}

// Time returns what the stage's operators took together.
func (s Stage) Time() (t time.Duration) {
	for _, b := range s.Blocks {
		t += b.Time
	}
	return t
}
