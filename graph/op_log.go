package graph

// Log is the natural logarithm.
type Log struct{}

// Kind implements [Op].
func (Log) Kind() string { return "Log" }

// Traits implements [Op].
func (Log) Traits() Traits { return 0 }

func (Log) infer(in []Type) (Type, error) { return unary(in) }
