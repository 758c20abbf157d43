package onnx

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/repvit-go/repvit/graph"
)

var clipOperator = operator{
	encode: encodes((*encoder).clip),
	decode: decoders{"Clip": (*decoder).clip},
}

func (e *encoder) clip(n *graph.Node, op graph.Clip) error {
	if err := e.floats(n); err != nil {
		return err
	}
	t := e.types[n.Output].DType
	bound := func(v, none float64) string {
		if v == none {
			return ""
		}
		return e.scalar("clip."+strconv.FormatFloat(v, 'g', -1, 32), t, v)
	}
	in := append(e.operands(n), bound(op.Min, -graph.Unclipped), bound(op.Max, graph.Unclipped))
	for in[len(in)-1] == "" {
		in = in[:len(in)-1]
	}
	e.emit("Clip", n.Name(), in)
	return nil
}

func (d *decoder) clip(n *node) error {
	op := graph.Clip{Min: -graph.Unclipped, Max: graph.Unclipped}
	if d.opset < 11 {
		var low, high error
		op.Min, low = n.real("min", op.Min)
		op.Max, high = n.real("max", op.Max)
		if err := errors.Join(low, high); err != nil {
			return first(err)
		}
		return d.add(n, op, 1, 1)
	}
	if len(n.in) > 3 {
		return fmt.Errorf("%w: found %d operands, expected 1 to 3", ErrFormat, len(n.in))
	}
	bounds := [2]string{}
	copy(bounds[:], n.in[min(len(n.in), 1):])
	n.in = n.in[:min(len(n.in), 1)]
	in, err := d.operands(n, 1, 1)
	if err != nil {
		return err
	}
	x, err := d.typeOf(in[0])
	if err != nil {
		return err
	}
	constant := x.DType.IsFloat()
	for i, to := range []*float64{&op.Min, &op.Max} {
		if t := d.tensors[bounds[i]]; t != nil && t.Len() == 1 && t.DType.IsFloat() {
			*to = decimal(t)
		} else if bounds[i] != "" {
			constant = false
		}
	}
	if constant {
		return d.add(n, op, 1, 1)
	}
	return d.clipBetween(n, in[0], bounds)
}

// clipBetween is min(max(x, low), high) with bounds that are computed, or integers.
func (d *decoder) clipBetween(n *node, x *graph.Value, bounds [2]string) error {
	last := 1
	if bounds[1] == "" {
		last = 0
	}
	for i, op := range []graph.Op{graph.Max{}, graph.Min{}} {
		if bounds[i] == "" {
			continue
		}
		bound, err := d.value(bounds[i])
		if err != nil {
			return err
		}
		if i == last {
			x = d.g.Add(n.out, op, x, bound)
		} else {
			x = d.step(n, ".raised", op, x, bound)
		}
	}
	d.values[n.out] = x
	return nil
}

// decimal returns a constant's one number, with the shortest decimal form.
func decimal(t *graph.Tensor) float64 {
	v := t.Float64s()[0]
	switch t.DType {
	case graph.Float32:
		return widen(float32(v))
	case graph.Float16:
		return widen16(float32(v))
	}
	return v
}

// real returns a constant operand of one float, with the shortest decimal form.
func (d *decoder) real(what, name string) (float64, error) {
	t := d.tensors[name]
	if t == nil || t.Len() != 1 || !t.DType.IsFloat() {
		return 0, fmt.Errorf("%w: found the %s %q, expected a constant float", ErrUnsupported, what, name)
	}
	return decimal(t), nil
}

// widen16 is widen of a float16.
func widen16(f float32) float64 {
	for digits := 1; digits < 5; digits++ { // which are enough
		v, err := strconv.ParseFloat(strconv.FormatFloat(float64(f), 'g', digits, 32), 64)
		if err == nil && graph.Float16From32(float32(v)) == graph.Float16From32(f) {
			return v
		}
	}
	return widen(f)
}
