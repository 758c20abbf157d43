package graph

// AveragePool is the mean of each window of every channel. Pixels of the padding are zeros
// where CountIncludePad is set, as in PyTorch; else they do not count. Every window has one
// inside.
//
//	output: N×C×⌊(H + pads − kernel)/stride⌋+1×…
type AveragePool struct {
	Kernel          [2]int `json:"kernel"`  // rows, columns
	Strides         [2]int `json:"strides"` // rows, columns
	Pads            [4]int `json:"pads"`    // top, left, bottom, right
	CountIncludePad bool   `json:"count_include_pad"`
	// CeilMode rounds the output's size up, where the last window then begins inside or in the
	// padding before. What of a window lies behind the padding never counts.
	CeilMode bool `json:"ceil_mode,omitzero"`
}

// Kind implements [Op].
func (AveragePool) Kind() string { return "AveragePool" }

// Traits implements [Op].
func (AveragePool) Traits() Traits { return Homogeneous | Quantizable }

func (o AveragePool) infer(in []Type) (Type, error) {
	return pool(in, window{o.Kernel, o.Strides, [2]int{1, 1}, o.Pads, o.CeilMode})
}

func (o AveragePool) reads([]Type) Shape { return FixedShape(o.Kernel[:]...) }
