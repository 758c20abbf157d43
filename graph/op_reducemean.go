package graph

// ReduceMean is the arithmetic mean over axes.
type ReduceMean Reduction

// Kind implements [Op].
func (ReduceMean) Kind() string { return "ReduceMean" }

// Traits implements [Op].
func (ReduceMean) Traits() Traits { return 0 }

func (o ReduceMean) infer(in []Type) (Type, error) { return Reduction(o).floats(in) }

func (o ReduceMean) reads(in []Type) Shape { return Reduction(o).reads(in) }
