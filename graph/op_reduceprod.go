package graph

// ReduceProd is the product over axes.
type ReduceProd Reduction

// Kind implements [Op].
func (ReduceProd) Kind() string { return "ReduceProd" }

// Traits implements [Op].
func (ReduceProd) Traits() Traits { return 0 }

func (o ReduceProd) infer(in []Type) (Type, error) { return Reduction(o).floats(in) }

func (o ReduceProd) reads(in []Type) Shape { return Reduction(o).reads(in) }
