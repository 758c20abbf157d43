package graph

// MaxPool is the largest element of each window of every channel. Pixels outside the image
// do not count; every window has one inside.
//
//	output: N×C×⌊(H + pads − kernel)/stride⌋+1×…
type MaxPool struct {
	Kernel  [2]int `json:"kernel"`  // rows, columns
	Strides [2]int `json:"strides"` // rows, columns
	Pads    [4]int `json:"pads"`    // top, left, bottom, right
	// Dilations are how far apart the pixels of a window are, rows and columns; 0 means 1. See
	// [MaxPool.Dilation].
	Dilations [2]int `json:"dilations,omitzero"`
	// CeilMode rounds the output's size up, where the last window then begins inside or in the
	// padding before.
	CeilMode bool `json:"ceil_mode,omitzero"`
}

// Dilation returns how far apart the pixels of a window are, 1 at least in a valid graph.
func (o MaxPool) Dilation() [2]int { return Conv{Dilations: o.Dilations}.Dilation() }

// Kind implements [Op].
func (MaxPool) Kind() string { return "MaxPool" }

// Traits implements [Op].
func (MaxPool) Traits() Traits { return Homogeneous | Selects | Quantizable }

func (o MaxPool) infer(in []Type) (Type, error) {
	return pool(in, window{o.Kernel, o.Strides, o.Dilation(), o.Pads, o.CeilMode})
}

func (o MaxPool) reads([]Type) Shape { return FixedShape(o.Kernel[:]...) }

// Plain returns the padding that windows reach, for the operand's and the result's N×C×H×W: with it the
// result's size is the same whether it is rounded up or down. ok is false where pixels of a window are apart, for which
// not all formats have a form.
func (o MaxPool) Plain(from, to []int) (pads [4]int, ok bool) {
	pads = o.Pads
	for i := range 2 {
		pads[2+i] = max((to[2+i]-1)*o.Strides[i]+o.Kernel[i]-from[2+i]-pads[i], 0)
	}
	return pads, o.Dilation() == [2]int{1, 1}
}
