package graph

// ArgMax is the index of the largest element along an axis, an int64: of several the first,
// or the last with SelectLastIndex. NaN is larger than all numbers.
type ArgMax struct {
	Axis            int  `json:"axis"` // counted from the end: −1 is the last one
	KeepDims        bool `json:"keepdims"`
	SelectLastIndex bool `json:"select_last_index,omitzero"`
}

// Kind implements [Op].
func (ArgMax) Kind() string { return "ArgMax" }

// Traits implements [Op].
func (ArgMax) Traits() Traits { return Decides }

// Reduction is the operator's axis, and what becomes of it.
func (o ArgMax) Reduction() Reduction { return Reduction{[]int{o.Axis}, o.KeepDims} }

func (o ArgMax) infer(in []Type) (Type, error) {
	t, err := o.Reduction().infer(in)
	return Type{Int64, t.Shape}, err
}

func (o ArgMax) reads(in []Type) Shape { return o.Reduction().reads(in) }
