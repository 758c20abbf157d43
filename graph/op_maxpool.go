package graph

// MaxPool is the largest element of each window of every channel. Pixels outside the image
// do not count; every window has one inside.
//
//	output: N×C×⌊(H + pads − kernel)/stride⌋+1×…
type MaxPool struct {
	Kernel  [2]int `json:"kernel"`  // rows, columns
	Strides [2]int `json:"strides"` // rows, columns
	Pads    [4]int `json:"pads"`    // top, left, bottom, right
}

// Kind implements [Op].
func (MaxPool) Kind() string { return "MaxPool" }

// Traits implements [Op].
func (MaxPool) Traits() Traits { return Homogeneous | Selects | Quantizable }

func (o MaxPool) infer(in []Type) (Type, error) { return pool(in, o.Kernel, o.Strides, o.Pads) }

func (o MaxPool) reads([]Type) Shape { return FixedShape(o.Kernel[:]...) }
