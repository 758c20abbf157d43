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
	for i, to := range []*float64{&op.Min, &op.Max} {
		if len(n.in) <= i+1 || n.in[i+1] == "" {
			continue
		}
		var err error
		if *to, err = d.real("bound", n.in[i+1]); err != nil {
			return err
		}
	}
	if len(n.in) > 3 {
		return fmt.Errorf("%w: found %d operands, expected 1 to 3", ErrFormat, len(n.in))
	}
	n.in = n.in[:min(len(n.in), 1)]
	return d.add(n, op, 1, 1)
}

// real returns a constant operand of one float, with the shortest decimal form.
func (d *decoder) real(what, name string) (float64, error) {
	t := d.tensors[name]
	if t == nil || t.Len() != 1 || !t.DType.IsFloat() {
		return 0, fmt.Errorf("%w: found the %s %q, expected a constant float", ErrUnsupported, what, name)
	}
	switch v := t.Float64s()[0]; t.DType {
	case graph.Float32:
		return widen(float32(v)), nil
	case graph.Float16:
		return widen16(float32(v)), nil
	default:
		return v, nil
	}
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
