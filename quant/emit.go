package quant

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

// emitter writes the quantized form of a network: every value that is held in int8 passes
// QuantizeLinear and DequantizeLinear, which runtimes fuse with the operators between them.
//
// A value that a float32 node produces keeps its name; integer readers get its copy
// "name.dequantized". For a value that an integer node produces the dequantized number
// bears the name, and what stands before its rounding is "name.raw".
type emitter struct {
	c    *calibration
	n    *network
	set  map[*graph.Node]bool
	g    *graph.Graph
	done map[*graph.Value]*graph.Value // as float32 readers see it
	deq  map[*graph.Value]*graph.Value // as integer readers see it
}

// emit returns the graph with the nodes of the set in int8.
func (c *calibration) emit(set map[*graph.Node]bool) *graph.Graph {
	src := c.n.g
	e := &emitter{c: c, n: c.n, set: set, done: map[*graph.Value]*graph.Value{}, deq: map[*graph.Value]*graph.Value{},
		g: &graph.Graph{Name: src.Name, Metadata: src.Metadata}}
	for _, v := range src.Inputs {
		in := *v
		e.done[v] = &in
		e.g.Inputs = append(e.g.Inputs, &in)
		if e.reads(v) {
			e.deq[v] = e.pair(&in, v, v.Name+".dequantized")
		}
	}
	for _, node := range src.Nodes {
		e.node(node)
	}
	for _, v := range src.Outputs {
		e.g.Outputs = append(e.g.Outputs, e.done[v])
	}
	e.g.Prune()
	return e.g.Clone()
}

// reads reports whether an integer node reads v.
func (e *emitter) reads(v *graph.Value) bool {
	for _, c := range e.n.consumers[v] {
		if e.set[c] {
			return true
		}
	}
	return false
}

func (e *emitter) node(node *graph.Node) {
	v := node.Output
	if p := e.n.producers[node.Inputs[0]]; p != nil && e.n.rectified(p, e.set) == node {
		raw := e.done[node.Inputs[0]]
		if e.c.symmetric {
			raw = e.g.Add(v.Name+".raw", node.Op, raw)
		} // else the quantizer behind the convolution saturates at zero
		e.quantize(v, raw)
		return
	}
	in := make([]*graph.Value, len(node.Inputs))
	for i, x := range node.Inputs {
		switch {
		case x.Const != nil:
			in[i] = x
		case e.set[node]:
			in[i] = e.deq[x]
		default:
			in[i] = e.done[x]
		}
	}
	if e.set[node] && weighted(node) {
		e.weights(node, in)
	}
	out := e.g.Add(v.Name, node.Op, in...)
	made := e.g.Nodes[len(e.g.Nodes)-1]
	switch {
	case e.n.quantizes(node, e.set):
		out.Name += ".raw"
		e.quantize(v, out)
	default:
		e.done[v] = out
		if e.n.rectified(node, e.set) != nil {
			out.Name += ".raw"
		} else if e.reads(v) {
			e.deq[v] = e.pair(out, v, v.Name+".dequantized")
		}
	}
	for _, v := range node.Further {
		out := &graph.Value{Name: v.Name}
		made.Further = append(made.Further, out)
		e.done[v] = out
		if e.reads(v) {
			e.deq[v] = e.pair(out, v, v.Name+".dequantized")
		}
	}
}

// quantize makes v the dequantized form of raw.
func (e *emitter) quantize(v, raw *graph.Value) {
	d := e.pair(raw, v, v.Name)
	e.done[v], e.deq[v] = d, d
}

// pair appends QuantizeLinear and DequantizeLinear with the parameters of v.
func (e *emitter) pair(x, v *graph.Value, name string) *graph.Value {
	q := e.c.quantizers[v]
	scale := graph.Weight(v.Name+".scale", graph.Float32Tensor([]int{}, []float32{q.scale}))
	point := graph.Uint8Tensor([]int{}, []uint8{q.zero})
	if e.c.symmetric {
		point = graph.Int8Tensor([]int{}, []int8{0})
	}
	zero := graph.Weight(v.Name+".zero_point", point)
	return e.g.Add(name, graph.DequantizeLinear{}, e.g.Add(v.Name+".int8", graph.QuantizeLinear{}, x, scale, zero), scale, zero)
}

// weights replaces weight and bias by their integers.
func (e *emitter) weights(node *graph.Node, in []*graph.Value) {
	q := e.c.weights[node]
	rows := []int{len(q.scales)}
	in[1] = q.add(e.g, node.Inputs[1])
	if len(in) < 3 {
		return
	}
	b := node.Inputs[2]
	input := e.c.quantizers[node.Inputs[0]].scale
	values, unit := make([]int32, rows[0]), make([]float32, rows[0])
	for o, x := range e.c.biases[node] {
		unit[o] = input * q.scales[o]
		values[o] = int32(min(max(math.RoundToEven(x/float64(unit[o])), math.MinInt32), math.MaxInt32))
	}
	in[2] = e.g.Add(b.Name+".dequantized", graph.DequantizeLinear{},
		graph.Weight(b.Name, graph.Int32Tensor(rows, values)),
		graph.Weight(b.Name+".scale", graph.Float32Tensor(rows, unit)),
		graph.Weight(b.Name+".zero_point", graph.Int32Tensor(rows, make([]int32, rows[0]))))
}
