package graph

// ReduceSum is the sum over axes.
type ReduceSum Reduction

// Kind implements [Op].
func (ReduceSum) Kind() string { return "ReduceSum" }

// Traits implements [Op].
func (ReduceSum) Traits() Traits { return 0 }

func (o ReduceSum) infer(in []Type) (Type, error) { return Reduction(o).floats(in) }

func (o ReduceSum) reads(in []Type) Shape { return Reduction(o).reads(in) }
