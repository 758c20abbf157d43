package graph

// ReduceMax is the largest element over axes; NaN where one is NaN.
type ReduceMax Reduction

// Kind implements [Op].
func (ReduceMax) Kind() string { return "ReduceMax" }

// Traits implements [Op].
func (ReduceMax) Traits() Traits { return 0 }

func (o ReduceMax) infer(in []Type) (Type, error) { return Reduction(o).infer(in) }

func (o ReduceMax) reads(in []Type) Shape { return Reduction(o).reads(in) }
