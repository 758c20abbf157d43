package graph

// ReduceMin is the smallest element over axes; NaN where one is NaN.
type ReduceMin Reduction

// Kind implements [Op].
func (ReduceMin) Kind() string { return "ReduceMin" }

// Traits implements [Op].
func (ReduceMin) Traits() Traits { return 0 }

func (o ReduceMin) infer(in []Type) (Type, error) { return Reduction(o).infer(in) }

func (o ReduceMin) reads(in []Type) Shape { return Reduction(o).reads(in) }
