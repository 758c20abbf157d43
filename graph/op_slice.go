package graph

import (
	"fmt"
	"math"
	"slices"
)

// Slice takes a part of a value: along each of the axes the elements from start on, every
// step-th, before end. The lists have one number for each of the axes.
type Slice struct {
	Axes []int `json:"axes"` // counted from the front, each at most once
	// Starts and Ends count from the end where they are negative, and where the axis is
	// shorter they mean its end: ONNX's rules, which for steps above 0 are Python's. With a
	// negative step an end of −[SliceAll] goes to the first element.
	Starts []int `json:"starts"`
	Ends   []int `json:"ends"`
	Steps  []int `json:"steps"` // not 0
}

// SliceAll is an end behind that of every axis.
const SliceAll = math.MaxInt32

// Range returns the elements that are taken along axis o.Axes[k], which has n elements: the
// first, how many, and how far apart they are.
func (o Slice) Range(k, n int) (first, count, step int) {
	at := func(i, low, high int) int {
		if i < 0 {
			i += n
		}
		return min(max(i, low), high)
	}
	step = o.Steps[k]
	if step > 0 {
		first = at(o.Starts[k], 0, n)
		if end := at(o.Ends[k], 0, n); end > first {
			count = (end-first-1)/step + 1
		}
		return first, count, step
	}
	first = at(o.Starts[k], 0, n-1)
	if end := at(o.Ends[k], -1, n-1); end < first {
		count = (first-end-1)/-step + 1
	}
	return first, count, step
}

// Kind implements [Op].
func (Slice) Kind() string { return "Slice" }

// Traits implements [Op].
func (Slice) Traits() Traits { return Selects }

func (o Slice) infer(in []Type) (Type, error) {
	if err := arity(in, 1, 1); err != nil {
		return Type{}, err
	}
	s := slices.Clone(in[0].Shape)
	if len(s) == 0 || len(o.Starts) != len(o.Axes) || len(o.Ends) != len(o.Axes) || len(o.Steps) != len(o.Axes) {
		return Type{}, fmt.Errorf("%w: axes %v, starts %v, ends %v and steps %v of %v", ErrShape, o.Axes, o.Starts, o.Ends, o.Steps, s)
	}
	for k, axis := range o.Axes {
		if axis < 0 || axis >= len(s) || slices.Contains(o.Axes[:k], axis) {
			return Type{}, fmt.Errorf("%w: axes %v of %v", ErrShape, o.Axes, s)
		}
		if o.Steps[k] == 0 {
			return Type{}, fmt.Errorf("%w: steps %v", ErrShape, o.Steps)
		}
		if s[axis].Known() {
			_, n, _ := o.Range(k, s[axis].Size)
			s[axis] = Fixed(n)
		} else if o.Starts[k] == 0 && o.Ends[k] == 1 && o.Steps[k] > 0 { // no axis is empty
			s[axis] = Fixed(1)
		} else if !o.whole(k) {
			s[axis] = Dim{Div: 1}
		}
	}
	return Type{in[0].DType, s}, nil
}

// whole reports whether all elements are taken along axis o.Axes[k], forwards or backwards.
func (o Slice) whole(k int) bool {
	switch o.Steps[k] {
	case 1:
		return o.Starts[k] == 0 && o.Ends[k] >= SliceAll
	case -1:
		return o.Starts[k] == -1 && o.Ends[k] <= -SliceAll
	}
	return false
}
