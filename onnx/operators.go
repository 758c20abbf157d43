package onnx

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/repvit-go/repvit/graph"
)

// operators are the functions that translate a node, by operator.
var operators = map[string]func(*decoder, *node) error{
	"Add":                simple(graph.Add{}, 2),
	"BatchNormalization": (*decoder).batchNorm,
	"Cast":               (*decoder).cast,
	"Conv":               (*decoder).conv,
	"DequantizeLinear":   (*decoder).dequantize,
	"Flatten":            (*decoder).flatten,
	"Gelu":               (*decoder).geluNode,
	"Gemm":               (*decoder).gemm,
	"GlobalAveragePool":  simple(graph.GlobalAveragePool{}, 1),
	"MatMul":             simple(graph.MatMul{}, 2),
	"Mean":               simple(graph.Mean{}, -1),
	"Mul":                simple(graph.Mul{}, 2),
	"QuantizeLinear":     (*decoder).quantize,
	"ReduceMean":         (*decoder).reduceMean,
	"Relu":               simple(graph.Relu{}, 1),
	"Reshape":            (*decoder).reshape,
	"Sigmoid":            simple(graph.Sigmoid{}, 1),
	"Softmax":            (*decoder).softmax,
	"Squeeze":            (*decoder).squeeze,
	"Transpose":          (*decoder).transpose,
}

// translate adds the living nodes to the graph.
func (d *decoder) translate() error {
	for _, n := range d.nodes {
		if n.dead {
			continue
		}
		f, ok := operators[n.op]
		if !ok {
			known := slices.Sorted(maps.Keys(operators))
			return n.wrap(fmt.Errorf("%w: operator, expected one of %s, or Div and Erf in GELU", ErrUnsupported, strings.Join(known, ", ")))
		}
		err := f(d, n)
		if err == nil && len(n.attributes) > 0 {
			err = fmt.Errorf("%w: found attribute %q, expected none of that name", ErrUnsupported, n.attributes[0].name)
		}
		if err != nil {
			return n.wrap(err)
		}
	}
	return nil
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

// add appends op over the node's operands, of which there must be low to high.
func (d *decoder) add(n *node, op graph.Op, low, high int) error {
	in, err := d.operands(n, low, high)
	if err != nil {
		return err
	}
	d.values[n.out] = d.g.Add(n.out, op, in...)
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
	if !ok {
		return nil, fmt.Errorf("%w: it reads %q, which nothing before it produces", ErrFormat, name)
	}
	v := graph.Weight(name, t)
	d.values[name] = v
	return v, nil
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

func (n *node) wantFloat(name string, value float32) error {
	a, err := n.take(name, kindFloat)
	if a != nil && a.f != value {
		err = fmt.Errorf("%w: found attribute %s = %g, expected %g", ErrUnsupported, name, a.f, value)
	}
	return err
}

func (n *node) wantText(name, value string) error {
	a, err := n.take(name, kindString)
	if a != nil && a.s != value {
		err = fmt.Errorf("%w: found attribute %s = %q, expected %q", ErrUnsupported, name, a.s, value)
	}
	return err
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

func (d *decoder) conv(n *node) error {
	op := graph.Conv{Strides: [2]int{1, 1}}
	dilations := [2]int{1, 1}
	var kernel [2]int
	group, err := n.integer("group", 1)
	err = errors.Join(err, n.fill("strides", op.Strides[:]), n.fill("pads", op.Pads[:]),
		n.fill("dilations", dilations[:]), n.fill("kernel_shape", kernel[:]))
	if err != nil {
		return first(err)
	}
	if dilations != [2]int{1, 1} {
		return fmt.Errorf("%w: found attribute dilations = %v, expected [1 1]", ErrUnsupported, dilations)
	}
	if group < 1 || group > math.MaxInt32 {
		return fmt.Errorf("%w: found attribute group = %d, expected a positive number", ErrFormat, group)
	}
	if err := n.wantText("auto_pad", "NOTSET"); err != nil {
		return err
	}
	op.Group = int(group)
	if err := d.add(n, op, 2, 3); err != nil {
		return err
	}
	w := d.values[n.in[1]]
	d.check(n, func(types map[*graph.Value]graph.Type) error {
		if s := types[w].Shape; kernel != [2]int{} && (s[2] != graph.Fixed(kernel[0]) || s[3] != graph.Fixed(kernel[1])) {
			return fmt.Errorf("%w: found attribute kernel_shape = %v, expected %v×%v as the weight has", ErrFormat, kernel, s[2], s[3])
		}
		return nil
	})
	return nil
}

// first returns the first of several joined errors: an error is one line.
func first(err error) error {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		return j.Unwrap()[0]
	}
	return err
}

// check has f called when the types of all values are known.
func (d *decoder) check(n *node, f func(map[*graph.Value]graph.Type) error) {
	d.checks = append(d.checks, func(types map[*graph.Value]graph.Type) error { return n.wrap(f(types)) })
}

func (d *decoder) batchNorm(n *node) error {
	epsilon, err := n.take("epsilon", kindFloat)
	if err != nil {
		return err
	}
	if _, err := n.take("momentum", kindFloat); err != nil { // of training
		return err
	}
	if err := n.want("training_mode", 0, 0); err != nil {
		return err
	}
	op := graph.BatchNorm{Epsilon: 1e-5}
	if epsilon != nil {
		op.Epsilon = widen(epsilon.f)
	}
	return d.add(n, op, 5, 5)
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

func (d *decoder) geluNode(n *node) error {
	// Also what the erf pattern was replaced with, which has no attributes.
	if err := n.wantText("approximate", "none"); err != nil {
		return err
	}
	return d.add(n, graph.Gelu{}, 1, 1)
}

func (d *decoder) flatten(n *node) error {
	if err := n.want("axis", 1, 1); err != nil {
		return err
	}
	return d.add(n, graph.Flatten{}, 1, 1)
}

// reshape is Flatten where the shape wanted is N×(C·H·W).
func (d *decoder) reshape(n *node) error {
	if err := n.want("allowzero", 0, 0); err != nil {
		return err
	}
	shape, err := d.numbers(n, 1)
	if err != nil {
		return err
	}
	if len(shape) != 2 || shape[0] < 0 && shape[1] < 0 || shape[0] < -1 || shape[1] < -1 {
		return fmt.Errorf("%w: found shape %v, expected two axes that flatten each image", ErrUnsupported, shape)
	}
	n.in = n.in[:1]
	if err := d.add(n, graph.Flatten{}, 1, 1); err != nil {
		return err
	}
	x, y := d.values[n.in[0]], d.values[n.out]
	d.check(n, func(types map[*graph.Value]graph.Type) error {
		in, out := types[x].Shape, types[y].Shape
		for i, size := range shape {
			ok := size == -1 || out[i].Known() && int64(out[i].Size) == size || size == 0 && in[i] == out[i]
			if !ok {
				return fmt.Errorf("%w: found shape %v, expected %v", ErrUnsupported, shape, out)
			}
		}
		return nil
	})
	return nil
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

// squeeze is Flatten where it removes the spatial axes.
func (d *decoder) squeeze(n *node) error {
	axes, err := d.numbers(n, 1)
	if err != nil {
		return err
	}
	if !spatial(axes) {
		return fmt.Errorf("%w: found axes %v, expected [2 3]", ErrUnsupported, axes)
	}
	n.in = n.in[:1]
	if err := d.add(n, graph.Flatten{}, 1, 1); err != nil {
		return err
	}
	x := d.values[n.in[0]]
	d.check(n, func(types map[*graph.Value]graph.Type) error {
		if s := types[x].Shape; len(s) != 4 || s[2] != graph.Fixed(1) || s[3] != graph.Fixed(1) {
			return fmt.Errorf("%w: found an operand of shape %v, expected N×C×1×1", ErrUnsupported, s)
		}
		return nil
	})
	return nil
}

// spatial reports whether axes are the last two of four, in any order.
func spatial(axes []int64) bool {
	var seen [4]bool
	for _, a := range axes {
		if a < 0 {
			a += 4
		}
		if a != 2 && a != 3 {
			return false
		}
		seen[a] = true
	}
	return len(axes) == 2 && seen[2] && seen[3]
}

// reduceMean is GlobalAveragePool over the spatial axes, with Flatten behind it where the
// axes are not kept.
func (d *decoder) reduceMean(n *node) error {
	keep, err := n.integer("keepdims", 1)
	if err != nil {
		return err
	}
	if err := n.want("noop_with_empty_axes", 0, 0, 1); err != nil {
		return err
	}
	var axes []int64
	if d.opset < 18 {
		a, err := n.take("axes", kindInts)
		if err != nil {
			return err
		}
		if a != nil {
			axes = a.list
		}
	} else if axes, err = d.numbers(n, 1); err != nil {
		return err
	} else {
		n.in = n.in[:1]
	}
	if !spatial(axes) {
		return fmt.Errorf("%w: found axes %v, expected [2 3]", ErrUnsupported, axes)
	}
	if keep != 0 {
		return d.add(n, graph.GlobalAveragePool{}, 1, 1)
	}
	in, err := d.operands(n, 1, 1)
	if err != nil {
		return err
	}
	pool := d.g.Add(unique(d.taken, n.out+".pool"), graph.GlobalAveragePool{}, in...)
	d.values[n.out] = d.g.Add(n.out, graph.Flatten{}, pool)
	return nil
}

// gemm takes a weight M×K, or K×M which is transposed.
func (d *decoder) gemm(n *node) error {
	transposed, err := n.integer("transB", 0)
	err = errors.Join(err, n.wantFloat("alpha", 1), n.wantFloat("beta", 1), n.want("transA", 0, 0))
	if err != nil {
		return first(err)
	}
	in, err := d.operands(n, 2, 3)
	if err != nil {
		return err
	}
	if transposed == 0 {
		w := in[1]
		if w.Const == nil || len(w.Const.Shape) != 2 {
			return fmt.Errorf("%w: found attribute transB = 0 and a weight that is not a constant matrix, expected transB = 1", ErrUnsupported)
		}
		in[1] = d.derive(w, ".transposed", transposeMatrix)
	}
	if len(in) == 3 && in[2].Const != nil && len(in[2].Const.Shape) == 2 && in[2].Const.Shape[0] == 1 {
		in[2] = d.derive(in[2], ".vector", func(t *graph.Tensor) *graph.Tensor {
			return t.Reshape(t.Shape[1:]...)
		})
	}
	d.values[n.out] = d.g.Add(n.out, graph.Gemm{}, in...)
	return nil
}

func transposeMatrix(t *graph.Tensor) *graph.Tensor {
	rows, columns, size := t.Shape[0], t.Shape[1], t.DType.Size()
	from, to := t.Bytes(), make([]byte, 0, t.Size())
	if len(from) > 0 { // else an axis may be of any size
		for c := range columns {
			for r := range rows {
				at := (r*columns + c) * size
				to = append(to, from[at:at+size]...)
			}
		}
	}
	return graph.RawTensor(t.DType, []int{columns, rows}, to)
}

func (d *decoder) softmax(n *node) error {
	// Package graph's Softmax takes N×C, whose last axis is 1.
	if err := n.want("axis", -1, -1, 1); err != nil {
		return err
	}
	return d.add(n, graph.Softmax{}, 1, 1)
}

func (d *decoder) cast(n *node) error {
	to, err := n.integer("to", 0)
	if err != nil {
		return err
	}
	if err := n.want("saturate", 1, 0, 1); err != nil { // of float8
		return err
	}
	t, err := dtype(to)
	if err != nil {
		return err
	}
	return d.add(n, graph.Cast{To: t}, 1, 1)
}

func (d *decoder) transpose(n *node) error {
	perm, err := n.list("perm")
	if err != nil {
		return err
	}
	if perm == nil {
		return fmt.Errorf("%w: found no attribute perm, expected one", ErrUnsupported)
	}
	return d.add(n, graph.Transpose{Perm: perm}, 1, 1)
}
