package onnx

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/repvit-go/repvit/graph"
)

// operators are those of package graph, each in a file of its name.
var operators = []operator{
	convOperator, convTransposeOperator, gemmOperator, matMulOperator, batchNormOperator, layerNormOperator,
	geluOperator, reluOperator, sigmoidOperator, hardSigmoidOperator, hardSwishOperator, clipOperator,
	absOperator, negOperator, expOperator, logOperator, sqrtOperator, tanhOperator, erfOperator, eluOperator, leakyReluOperator,
	sinOperator, cosOperator, floorOperator, ceilOperator, roundOperator, signOperator,
	addOperator, subOperator, mulOperator, divOperator, powOperator, maxOperator, minOperator, meanOperator,
	equalOperator, greaterOperator, lessOperator, notOperator, andOperator, orOperator, whereOperator,
	reduceMeanOperator, reduceSumOperator, reduceProdOperator, reduceMaxOperator, reduceMinOperator, argMaxOperator,
	globalAveragePoolOperator, averagePoolOperator, maxPoolOperator,
	softmaxOperator, topKOperator, gatherNDOperator,
	roiAlignOperator, proposalsOperator, detectionsOperator, postprocessMasksOperator,
	flattenOperator, transposeOperator, castOperator,
	reshapeOperator, concatOperator, sliceOperator, gatherOperator, padOperator, resizeOperator,
	quantizeLinearOperator, dequantizeLinearOperator,
}

// operator is how ONNX spells an operator.
type operator struct {
	encode encodeFunc
	// decode translates the nodes that are the operator, by what ONNX calls them.
	decode decoders
	// pattern, where it is not nil, makes one node of those that spell the operator and end
	// with the one given, and reports whether it did.
	pattern func(*decoder, *node) bool
	// spelled: ONNX has no such operator; see [spelling].
	spelled bool
}

// encodeFunc writes the nodes that an operator is.
type encodeFunc struct {
	kind string
	f    func(*encoder, *graph.Node) error
}

func encodes[T graph.Op](f func(*encoder, *graph.Node, T) error) encodeFunc {
	var op T
	return encodeFunc{op.Kind(), func(e *encoder, n *graph.Node) error { return f(e, n, n.Op.(T)) }}
}

type decoders = map[string]func(*decoder, *node) error

// The operators by their names in a graph and in a file.
var (
	encoderOf = func() map[string]encodeFunc {
		m := map[string]encodeFunc{}
		for _, o := range operators {
			m[o.encode.kind] = o.encode
		}
		return m
	}()
	isSpelled = func() map[string]bool {
		m := map[string]bool{}
		for _, o := range operators {
			m[o.encode.kind] = o.spelled
		}
		return m
	}()
	decoderOf = func() decoders {
		m := decoders{}
		for _, o := range operators {
			maps.Copy(m, o.decode)
		}
		maps.Copy(m, spelled)
		return m
	}()
)

// translate adds the living nodes to the graph.
func (d *decoder) translate() error {
	for _, n := range d.nodes {
		if n.dead {
			continue
		}
		if n.spells != nil {
			if err := d.respell(n); err != nil {
				return err
			}
			continue
		}
		if err := d.node(n); err != nil {
			return err
		}
	}
	return nil
}

// node adds one node to the graph.
func (d *decoder) node(n *node) error {
	if n.masks != nil {
		return n.wrap(d.foundMasks(n))
	}
	done, err := d.sized(n)
	if err == nil && !done {
		f, ok := decoderOf[n.op]
		if !ok {
			known := slices.Sorted(maps.Keys(decoderOf))
			return n.wrap(fmt.Errorf("%w: operator, expected one of %s", ErrUnsupported, strings.Join(known, ", ")))
		}
		err = f(d, n)
	}
	if err == errNotTaken {
		parts := n.was.parts
		n.op, n.in, n.was = n.was.op, n.was.in, nil
		for _, p := range append(parts, n) {
			if err := d.node(p); err != nil {
				return err
			}
		}
		return nil
	}
	if err == nil {
		err = n.exhausted()
	}
	return n.wrap(err)
}

// simple translates an operator without attributes.
func simple(op graph.Op, operands int) func(*decoder, *node) error {
	return func(d *decoder, n *node) error {
		if operands < 0 {
			operands := len(n.in)
			return d.add(n, op, operands, max(operands, 1))
		}
		return d.add(n, op, operands, operands)
	}
}

// broadcasting translates an operator of two operands with NumPy's broadcasting.
func broadcasting(op graph.Op) func(*decoder, *node) error {
	return func(d *decoder, n *node) error {
		in, err := d.broadcasting(n)
		if err != nil {
			return err
		}
		d.values[n.out] = d.g.Add(n.out, op, in...)
		return nil
	}
}

// broadcasting returns two operands that are broadcast. Before opset 7 an attribute had to allow
// it, and another aligned the operands.
func (d *decoder) broadcasting(n *node) ([]*graph.Value, error) {
	if d.opset < 7 {
		if err := n.want("broadcast", 0, 0); err != nil {
			return nil, err
		}
	}
	return d.operands(n, 2, 2)
}

// trailing returns a constant with axes of size 1 behind its own.
func (d *decoder) trailing(v *graph.Value, axes int) *graph.Value {
	return d.derive(v, fmt.Sprintf(".%d", axes), func(t *graph.Tensor) *graph.Tensor {
		shape := slices.Clone(t.Shape)
		for range axes {
			shape = append(shape, 1)
		}
		return t.Reshape(shape...)
	})
}

// chain translates an operator of any number of operands, which the graph's has two of.
func chain(op graph.Op) func(*decoder, *node) error {
	return func(d *decoder, n *node) error {
		in, err := d.operands(n, 1, maxOperands)
		if err != nil {
			return err
		}
		y := in[0]
		for i, v := range in[1:] {
			if i < len(in)-2 {
				y = d.step(n, ".part", op, y, v)
			} else {
				y = d.g.Add(n.out, op, y, v)
			}
		}
		d.values[n.out] = y
		return nil
	}
}

// step appends a node of a spelling, named after the value that it is for.
func (d *decoder) step(n *node, suffix string, op graph.Op, in ...*graph.Value) *graph.Value {
	return d.g.Add(unique(d.taken, n.out+suffix), op, in...)
}

// add appends op over the node's operands, of which there must be low to high.
func (d *decoder) add(n *node, op graph.Op, low, high int) error {
	in, err := d.operands(n, low, high)
	if err != nil {
		return err
	}
	d.values[n.out] = d.g.Add(n.out, op, in...)
	return nil
}

// addSeveral is add for an operator with as many outputs as given.
func (d *decoder) addSeveral(n *node, op graph.Op, outputs, low, high int) error {
	in, err := d.operands(n, low, high)
	if err != nil {
		return err
	}
	names := append([]string{n.out}, n.more...)
	for i := len(names); i < outputs; i++ {
		names = append(names, "")
	}
	if len(names) > outputs {
		return fmt.Errorf("%w: found %d outputs, expected %d", ErrFormat, len(names), outputs)
	}
	given := slices.Clone(names)
	for i, name := range names {
		if name == "" { // nothing reads it
			names[i] = unique(d.taken, fmt.Sprintf("%s.%d", n.out, i))
		}
	}
	for i, v := range d.g.AddSeveral(names, op, in...) {
		if given[i] != "" {
			d.values[given[i]] = v
		}
	}
	n.more = nil
	return nil
}

func (d *decoder) operands(n *node, low, high int) ([]*graph.Value, error) {
	if len(n.in) < low || len(n.in) > high || len(n.in) == 0 {
		return nil, fmt.Errorf("%w: found %d operands, expected %d to %d", ErrFormat, len(n.in), low, high)
	}
	in := make([]*graph.Value, len(n.in))
	for i, name := range n.in {
		var err error
		if in[i], err = d.value(name); err != nil {
			return nil, err
		}
	}
	return in, nil
}

// value returns what a name stands for.
func (d *decoder) value(name string) (*graph.Value, error) {
	if v, ok := d.values[name]; ok {
		return v, nil
	}
	t, ok := d.tensors[name]
	if s, ok := d.sizes[name]; ok {
		v, err := d.sizesValue(name, s)
		if err == nil {
			d.values[name] = v
		}
		return v, err
	}
	if n := d.further[name]; n != nil {
		return nil, fmt.Errorf("%w: it reads %q, which is not the first output of node %q (%s)", ErrUnsupported, name, n.name, n.op)
	}
	if !ok {
		return nil, fmt.Errorf("%w: it reads %q, which nothing before it produces", ErrFormat, name)
	}
	v := graph.Weight(name, t)
	d.values[name] = v
	return v, nil
}

// rank returns how many axes a value has.
func (d *decoder) rank(v *graph.Value) (int, error) {
	t, err := d.typeOf(v)
	return len(t.Shape), err
}

// typeOf returns the type of a value. The nodes so far must have types.
func (d *decoder) typeOf(v *graph.Value) (graph.Type, error) {
	for _, in := range d.g.Inputs {
		d.types[in] = *in.Type
	}
	for ; d.typed < len(d.g.Nodes); d.typed++ {
		n := d.g.Nodes[d.typed]
		if err := n.Infer(d.types); err != nil {
			return graph.Type{}, invalid(err)
		}
	}
	if v.Const != nil {
		return graph.Type{DType: v.Const.DType, Shape: graph.FixedShape(v.Const.Shape...)}, nil
	}
	return d.types[v], nil
}

// axis returns the axis that an attribute or operand names, counted from the front.
func axis(a int64, rank int) (int, error) {
	if a < -int64(rank) || a >= int64(rank) {
		return 0, fmt.Errorf("%w: found axis %d of %d", ErrFormat, a, rank)
	}
	if a < 0 {
		a += int64(rank)
	}
	return int(a), nil
}

// derive returns a weight that f makes of another, once for each form.
func (d *decoder) derive(v *graph.Value, form string, f func(*graph.Tensor) *graph.Tensor) *graph.Value {
	key := v.Name + form
	w, ok := d.derived[key]
	if !ok {
		w = graph.Weight(unique(d.taken, key), f(v.Const))
		d.derived[key] = w
	}
	return w
}

// take removes and returns the node's attribute of that name, nil where it has none.
func (n *node) take(name string, kind attributeKind) (*attribute, error) {
	i := slices.IndexFunc(n.attributes, func(a attribute) bool { return a.name == name })
	if i < 0 {
		return nil, nil
	}
	a := n.attributes[i]
	n.attributes = slices.Delete(n.attributes, i, i+1)
	if a.kind != int64(kind) {
		return nil, fmt.Errorf("%w: attribute %q is of type %d, expected %v", ErrFormat, name, a.kind, kind)
	}
	return &a, nil
}

func (n *node) integer(name string, missing int64) (int64, error) {
	a, err := n.take(name, kindInt)
	if a == nil {
		return missing, err
	}
	return a.i, nil
}

// want checks an attribute that only one value is supported of, which is also what a
// missing attribute means if absent is that value.
func (n *node) want(name string, absent int64, values ...int64) error {
	v, err := n.integer(name, absent)
	if err == nil && !slices.Contains(values, v) {
		err = fmt.Errorf("%w: found attribute %s = %d, expected %d", ErrUnsupported, name, v, values[0])
	}
	return err
}

// text returns an attribute that is a word.
func (n *node) text(name, missing string) (string, error) {
	a, err := n.take(name, kindString)
	if a == nil {
		return missing, err
	}
	return a.s, err
}

func (n *node) wantText(name, value string) error {
	a, err := n.take(name, kindString)
	if a != nil && a.s != value {
		err = fmt.Errorf("%w: found attribute %s = %q, expected %q", ErrUnsupported, name, a.s, value)
	}
	return err
}

// real returns an attribute with the shortest decimal form.
func (n *node) real(name string, missing float64) (float64, error) {
	a, err := n.take(name, kindFloat)
	if a == nil {
		return missing, err
	}
	return widen(a.f), err
}

// list returns an attribute of integers, nil where it is missing.
func (n *node) list(name string) ([]int, error) {
	a, err := n.take(name, kindInts)
	if a == nil {
		return nil, err
	}
	r := make([]int, len(a.list))
	for i, v := range a.list {
		if v < math.MinInt32 || v > math.MaxInt32 {
			return nil, fmt.Errorf("%w: found %d in attribute %s", ErrUnsupported, v, name)
		}
		r[i] = int(v)
	}
	return r, nil
}

// fill stores a list attribute, if it is there, in an array of the same length.
func (n *node) fill(name string, to []int) error {
	v, err := n.list(name)
	if v == nil || err != nil {
		return err
	}
	if len(v) != len(to) {
		return fmt.Errorf("%w: found attribute %s = %v, expected %d numbers", ErrUnsupported, name, v, len(to))
	}
	copy(to, v)
	return nil
}

// first returns the first of several joined errors: an error is one line.
func first(err error) error {
	for {
		j, ok := err.(interface{ Unwrap() []error })
		if !ok {
			return err
		}
		err = j.Unwrap()[0]
	}
}

// check has f called when the types of all values are known.
func (d *decoder) check(n *node, f func(map[*graph.Value]graph.Type) error) {
	d.checks = append(d.checks, func(types map[*graph.Value]graph.Type) error { return n.wrap(f(types)) })
}

// widen returns the float64 that a float32 was most likely rounded from: the one with the
// fewest decimal digits, 1e-5 and not 9.999999747378752e-06.
func widen(f float32) float64 {
	v, err := strconv.ParseFloat(strconv.FormatFloat(float64(f), 'g', -1, 32), 64)
	if err != nil {
		return float64(f)
	}
	return v
}

// numbers returns a constant operand of a few integers.
func (d *decoder) numbers(n *node, operand int) ([]int64, error) {
	if len(n.in) != operand+1 {
		return nil, fmt.Errorf("%w: found %d operands, expected %d", ErrUnsupported, len(n.in), operand+1)
	}
	t := d.tensors[n.in[operand]]
	if t == nil || t.DType != graph.Int64 || len(t.Shape) > 1 || t.Len() > maxAxes {
		return nil, fmt.Errorf("%w: operand %q is not a constant list of integers", ErrUnsupported, n.in[operand])
	}
	return t.Int64s(), nil
}
