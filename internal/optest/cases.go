package optest

import "github.com/repvit-go/repvit/graph"

// table holds at least one case for each operator of package graph.
var table = []row{
	{"convolution 1×1", graph.Conv{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value { return b.conv(x, Channels, 20, 1, 1, 1) }},
	{"convolution 1×1, stride 2", graph.Conv{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value { return b.conv(x, Channels, 20, 1, 2, 1) }},
	{"convolution 3×3", graph.Conv{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value { return b.conv(x, Channels, 20, 3, 1, 1) }},
	{"convolution 3×3 of a feature map, stride 2", graph.Conv{}, 4e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.conv(b.conv(x, Channels, 20, 1, 1, 1), 20, 36, 3, 2, 1)
	}},
	{"depthwise convolution 1×1", graph.Conv{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value { return b.conv(x, Channels, Channels, 1, 1, Channels) }},
	{"depthwise convolution 3×3", graph.Conv{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value { return b.conv(x, Channels, Channels, 3, 1, Channels) }},
	{"depthwise convolution 3×3, stride 2", graph.Conv{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value { return b.conv(x, Channels, Channels, 3, 2, Channels) }},
	{"depthwise convolution 5×5, stride 2", graph.Conv{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value { return b.conv(x, Channels, Channels, 5, 2, Channels) }},
	{"depthwise convolution with a multiplier", graph.Conv{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value { return b.conv(x, Channels, 2*Channels, 3, 1, Channels) }},
	{"convolution in groups", graph.Conv{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value { return b.conv(x, Channels, 8, 3, 1, 4) }},
	{"convolution, uneven and without bias", graph.Conv{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Conv{Strides: [2]int{3, 2}, Pads: [4]int{0, 1, 2, 3}, Group: 1}, x, b.normal(0.2, 9, Channels, 2, 4))
	}},
	{"dilated convolution", graph.Conv{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Conv{Strides: [2]int{1, 2}, Pads: [4]int{2, 3, 2, 1}, Group: 1, Dilations: [2]int{2, 3}}, x, b.normal(0.1, 20, Channels, 3, 2), b.normal(0.1, 20))
	}},
	{"dilated depthwise convolution", graph.Conv{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Conv{Strides: [2]int{1, 1}, Pads: [4]int{2, 2, 2, 2}, Group: Channels, Dilations: [2]int{2, 2}}, x, b.normal(0.3, Channels, 1, 3, 3))
	}},
	{"convolution 7×7, stride 2", graph.Conv{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value { return b.conv(x, Channels, 33, 7, 2, 1) }},
	{"transposed convolution 2×2, stride 2", graph.ConvTranspose{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Relu{}, b.add(graph.ConvTranspose{Strides: [2]int{2, 2}, Group: 1}, x, b.normal(0.3, Channels, 20, 2, 2), b.normal(0.1, 20)))
	}},
	{"transposed convolution 3×3, stride 2", graph.ConvTranspose{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.ConvTranspose{Strides: [2]int{2, 2}, Pads: [4]int{1, 1, 1, 1}, OutputPadding: [2]int{1, 1}, Group: 1}, x, b.normal(0.1, Channels, 20, 3, 3), b.normal(0.1, 20))
	}},
	{"transposed convolution, uneven and dilated", graph.ConvTranspose{}, 4e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.ConvTranspose{Strides: [2]int{1, 3}, Pads: [4]int{2, 0, 1, 4}, Group: 1, Dilations: [2]int{2, 1}}, x, b.normal(0.1, Channels, 33, 3, 4))
	}},
	{"transposed convolution with gaps", graph.ConvTranspose{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.ConvTranspose{Strides: [2]int{3, 2}, Group: 1}, x, b.normal(0.3, Channels, 7, 2, 1), b.normal(1, 7))
	}},
	{"transposed convolution in groups", graph.ConvTranspose{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.ConvTranspose{Strides: [2]int{2, 2}, Pads: [4]int{1, 1, 1, 1}, Group: 4}, x, b.normal(0.2, Channels, 5, 4, 4), b.normal(0.1, 20))
	}},
	{"fully connected", graph.Gemm{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Gemm{}, b.vector(x), b.normal(0.3, 200, Channels), b.normal(0.1, 200))
	}},
	{"fully connected without bias", graph.Gemm{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Gemm{}, b.vector(x), b.normal(0.3, 7, Channels))
	}},
	{"matrix product of pixels", graph.MatMul{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.MatMul{}, b.add(graph.Transpose{Perm: []int{0, 2, 3, 1}}, x), b.normal(0.3, Channels, 36))
	}},
	{"matrix product of vectors", graph.MatMul{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.MatMul{}, b.vector(x), b.normal(0.3, Channels, 5))
	}},
	{"matrix product of two activations", graph.MatMul{}, 4e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.MatMul{}, x, b.add(graph.Transpose{Perm: []int{0, 1, 3, 2}}, x))
	}},
	{"attention", graph.MatMul{}, 2e-5, func(b *builder, x *graph.Value) *graph.Value {
		s := b.add(graph.MatMul{}, x, b.add(graph.Transpose{Perm: []int{0, 1, 3, 2}}, b.conv(x, Channels, Channels, 1, 1, 1)))
		return b.add(graph.MatMul{}, b.add(graph.Softmax{}, s), x)
	}},
	{"matrix product with several constant matrices", graph.MatMul{}, 4e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.MatMul{}, b.add(graph.Transpose{Perm: []int{0, 2, 3, 1}}, b.add(graph.GlobalAveragePool{}, x)), b.normal(0.3, 5, Channels, 7))
	}},
	{"matrix product with a constant on the left", graph.MatMul{}, 4e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.MatMul{}, b.normal(0.3, 3, Channels), b.add(graph.Transpose{Perm: []int{0, 2, 1, 3}}, x))
	}},
	{"batch normalisation", graph.BatchNorm{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value { return b.norm(x) }},
	{"batch normalisation of vectors", graph.BatchNorm{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value { return b.norm(b.vector(x)) }},
	activation("GELU", graph.Gelu{}),
	activation("ReLU", graph.Relu{}),
	activation("sigmoid", graph.Sigmoid{}),
	activation("hard sigmoid", graph.HardSigmoid{Alpha: 0.2, Beta: 0.5}),
	activation("hard sigmoid of PyTorch", graph.HardSigmoid{Alpha: 1. / 6, Beta: 0.5}),
	activation("hard sigmoid, steep", graph.HardSigmoid{Alpha: -3, Beta: 0.25}),
	activation("hard swish", graph.HardSwish{}),
	activation("ReLU6", graph.Clip{Min: 0, Max: 6}),
	activation("clip from below", graph.Clip{Min: 0.1, Max: graph.Unclipped}),
	activation("clip from above", graph.Clip{Min: -graph.Unclipped, Max: -0.3}),
	activation("absolute value", graph.Abs{}),
	activation("negative", graph.Neg{}),
	activation("exponential", graph.Exp{}),
	activation("hyperbolic tangent", graph.Tanh{}),
	activation("error function", graph.Erf{}),
	activation("ELU", graph.Elu{Alpha: 1}),
	activation("ELU, steep", graph.Elu{Alpha: 2.5}),
	activation("leaky ReLU", graph.LeakyRelu{Alpha: 0.01}),
	{"logarithm", graph.Log{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value { return b.add(graph.Log{}, b.add(graph.Sigmoid{}, x)) }},
	{"square root", graph.Sqrt{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value { return b.add(graph.Sqrt{}, b.add(graph.Sigmoid{}, x)) }},
	{"difference", graph.Sub{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Sub{}, x, b.conv(x, Channels, Channels, 1, 1, 1))
	}},
	{"difference, the first operand broadcast", graph.Sub{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Sub{}, b.normal(1, Channels, 1, 1), x)
	}},
	{"quotient", graph.Div{}, 4e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Div{}, x, b.positive(Channels, 1, 1))
	}},
	{"quotient of a number", graph.Div{}, 4e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Div{}, b.constant(graph.Float32Tensor([]int{}, []float32{0.7})), b.add(graph.Exp{}, b.add(graph.GlobalAveragePool{}, x)))
	}},
	{"sum", graph.Add{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Add{}, x, b.conv(x, Channels, Channels, 1, 1, 1))
	}},
	{"sum with a constant for each channel", graph.Add{}, 1e-7, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Add{}, x, b.normal(1, 1, Channels, 1, 1))
	}},
	{"sum, both operands broadcast", graph.Add{}, 1e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Add{}, b.add(graph.GlobalAveragePool{}, x), b.normal(1, 1, Channels, 5, 1))
	}},
	{"sum with a vector along the last axis", graph.Add{}, 1e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Add{}, b.add(graph.Transpose{Perm: []int{0, 2, 3, 1}}, x), b.normal(1, Channels))
	}},
	{"sum of a vector and rows", graph.Add{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Add{}, b.normal(1, 5), b.add(graph.Gemm{}, b.vector(x), b.normal(0.3, 5, Channels)))
	}},
	{"sum with a constant of three axes", graph.Add{}, 1e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Add{}, x, b.normal(1, Channels, 1, 1))
	}},
	{"product with a number", graph.Mul{}, 1e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Mul{}, b.constant(graph.Float32Tensor([]int{}, []float32{0.7})), x)
	}},
	{"product of more axes than either has", graph.Mul{}, 1e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Mul{}, b.add(graph.GlobalAveragePool{}, x), b.normal(1, 2, 1, 1, 1, 5))
	}},
	{"product", graph.Mul{}, 4e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Mul{}, x, b.conv(x, Channels, Channels, 1, 1, 1))
	}},
	{"product with a factor for each channel", graph.Mul{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Mul{}, x, b.add(graph.Sigmoid{}, b.add(graph.GlobalAveragePool{}, x)))
	}},
	{"mean of two", graph.Mean{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Mean{}, x, b.conv(x, Channels, Channels, 1, 1, 1))
	}},
	{"mean of vectors", graph.Mean{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value {
		v := b.vector(x)
		return b.add(graph.Mean{}, v, b.add(graph.Relu{}, v), v)
	}},
	{"mean over channels", graph.ReduceMean{}, 1e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.ReduceMean{Axes: []int{-3}, KeepDims: true}, x)
	}},
	{"mean over columns", graph.ReduceMean{}, 1e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.ReduceMean{Axes: []int{-1}}, b.conv(x, Channels, 20, 1, 1, 1))
	}},
	{"mean over channels and rows", graph.ReduceMean{}, 1e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.ReduceMean{Axes: []int{-3, -2}}, x)
	}},
	{"mean over all of vectors", graph.ReduceMean{}, 1e-5, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.ReduceMean{Axes: []int{-2, -1}}, b.vector(x))
	}},
	{"mean of every channel", graph.GlobalAveragePool{}, 1e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.GlobalAveragePool{}, x)
	}},
	{"largest of 3×3, stride 2", graph.MaxPool{}, 0, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.MaxPool{Kernel: [2]int{3, 3}, Strides: [2]int{2, 2}, Pads: [4]int{1, 1, 1, 1}}, x)
	}},
	{"largest of uneven windows", graph.MaxPool{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.MaxPool{Kernel: [2]int{2, 3}, Strides: [2]int{1, 2}, Pads: [4]int{1, 0, 0, 2}}, b.conv(x, Channels, 20, 1, 1, 1))
	}},
	{"largest of 3×3, stride 2, rounded up", graph.MaxPool{}, 0, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.MaxPool{Kernel: [2]int{3, 2}, Strides: [2]int{2, 2}, Pads: [4]int{0, 1, 0, 1}, CeilMode: true}, x)
	}},
	{"largest of pixels apart", graph.MaxPool{}, 0, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.MaxPool{Kernel: [2]int{2, 3}, Strides: [2]int{1, 2}, Pads: [4]int{1, 2, 0, 1}, Dilations: [2]int{2, 2}}, x)
	}},
	{"mean of 2×2, rounded up", graph.AveragePool{}, 1e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.AveragePool{Kernel: [2]int{2, 2}, Strides: [2]int{2, 2}, CeilMode: true}, x)
	}},
	{"mean of 3×3 with its padding, rounded up", graph.AveragePool{}, 1e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.AveragePool{Kernel: [2]int{3, 3}, Strides: [2]int{2, 2}, Pads: [4]int{1, 1, 0, 1}, CountIncludePad: true, CeilMode: true}, x)
	}},
	{"mean of 2×2, stride 2", graph.AveragePool{}, 1e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.AveragePool{Kernel: [2]int{2, 2}, Strides: [2]int{2, 2}}, x)
	}},
	{"mean of 3×3 with its padding", graph.AveragePool{}, 1e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.AveragePool{Kernel: [2]int{3, 3}, Strides: [2]int{2, 1}, Pads: [4]int{1, 1, 1, 1}, CountIncludePad: true}, x)
	}},
	{"mean of uneven windows without padding", graph.AveragePool{}, 1e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.AveragePool{Kernel: [2]int{2, 3}, Strides: [2]int{1, 2}, Pads: [4]int{1, 0, 0, 2}}, x)
	}},
	{"softmax", graph.Softmax{}, 1e-5, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Softmax{}, b.add(graph.Gemm{}, b.vector(x), b.normal(1, 200, Channels)))
	}},
	{"softmax over channels", graph.Softmax{}, 1e-5, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Softmax{Axis: -3}, x)
	}},
	{"softmax over columns", graph.Softmax{}, 1e-5, func(b *builder, x *graph.Value) *graph.Value { return b.add(graph.Softmax{}, x) }},
	{"softmax over rows", graph.Softmax{}, 1e-5, func(b *builder, x *graph.Value) *graph.Value { return b.add(graph.Softmax{Axis: -2}, x) }},
	{"softmax over the batch", graph.Softmax{}, 1e-5, func(b *builder, x *graph.Value) *graph.Value { return b.add(graph.Softmax{Axis: -4}, x) }},
	{"flatten pixels", graph.Flatten{}, 0, func(b *builder, x *graph.Value) *graph.Value { return b.add(graph.Flatten{}, x) }},
	{"flatten means", graph.Flatten{}, 1e-6, func(b *builder, x *graph.Value) *graph.Value { return b.vector(x) }},
	{"transpose", graph.Transpose{}, 0, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Transpose{Perm: []int{3, 1, 0, 2}}, x)
	}},
	{"channels last", graph.Transpose{}, 0, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Transpose{Perm: []int{0, 2, 3, 1}}, x)
	}},
	{"feature maps behind each other", graph.Concat{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Concat{Axis: 1}, x, b.conv(x, Channels, 20, 1, 1, 1), x)
	}},
	{"rows behind each other", graph.Concat{}, 0, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Concat{Axis: 2}, x, b.add(graph.MaxPool{Kernel: [2]int{2, 1}, Strides: [2]int{1, 1}}, x))
	}},
	{"columns behind each other, channels last", graph.Concat{}, 0, func(b *builder, x *graph.Value) *graph.Value {
		t := b.add(graph.Transpose{Perm: []int{0, 2, 3, 1}}, x)
		return b.add(graph.Concat{Axis: 3}, t, t)
	}},
	{"vectors behind each other", graph.Concat{}, 1e-6, func(b *builder, x *graph.Value) *graph.Value {
		v := b.vector(x)
		return b.add(graph.Concat{Axis: 0}, v, b.add(graph.Relu{}, v), b.normal(1, 2, Channels))
	}},
	{"pixels in a row", graph.Reshape{}, 0, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Reshape{Shape: []int{0, 0, -1}}, x)
	}},
	{"tokens of a feature map and back", graph.Reshape{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value {
		t := b.add(graph.Reshape{Shape: []int{0, -1, 20}}, b.add(graph.Transpose{Perm: []int{0, 2, 3, 1}}, b.conv(x, Channels, 20, 1, 1, 1)))
		return b.add(graph.Relu{}, b.add(graph.Reshape{Shape: []int{0, -1, 1, 10}}, t))
	}},
	{"channels in groups", graph.Reshape{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value {
		g := b.add(graph.Reshape{Shape: []int{0, 3, 4, -1}}, x)
		return b.add(graph.Add{}, b.add(graph.Reshape{Shape: []int{0, Channels, -1, 1}}, b.add(graph.Transpose{Perm: []int{0, 2, 1, 3}}, g)), b.normal(1, Channels, 1, 1))
	}},
	{"feature maps of each channel", graph.Reshape{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value {
		g := b.add(graph.Reshape{Shape: []int{0, 3, 4, -4, -5}}, b.conv(x, Channels, Channels, 1, 1, 1))
		return b.add(graph.Reshape{Shape: []int{0, 12, -5, -6}}, b.add(graph.Transpose{Perm: []int{0, 2, 1, 3, 4}}, g))
	}},
	{"axes of size 1", graph.Reshape{}, 0, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Reshape{Shape: []int{1, -2, 12, 1, -4, -1}}, x)
	}},
	{"heads of vectors", graph.Reshape{}, 1e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Reshape{Shape: []int{-1, 3, 1, 4}}, b.vector(x))
	}},
	{"a part", graph.Slice{}, 0, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Slice{Axes: []int{2, 1}, Starts: []int{1, -9}, Ends: []int{graph.SliceAll, 7}, Steps: []int{1, 1}}, x)
	}},
	{"every second pixel", graph.Slice{}, 0, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Slice{Axes: []int{2, 3}, Starts: []int{0, 1}, Ends: []int{graph.SliceAll, -1}, Steps: []int{2, 2}}, b.add(graph.Transpose{Perm: []int{0, 2, 1, 3}}, x))
	}},
	{"backwards", graph.Slice{}, 0, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Slice{Axes: []int{3, 1}, Starts: []int{-1, 20}, Ends: []int{-graph.SliceAll, 1}, Steps: []int{-1, -3}}, x)
	}},
	{"a part of vectors", graph.Slice{}, 1e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Slice{Axes: []int{1}, Starts: []int{3}, Ends: []int{10}, Steps: []int{1}}, b.vector(x))
	}},
	{"channels at indexes", graph.Gather{}, 0, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Gather{Axis: 1}, x, b.constant(graph.Int64Tensor([]int{5}, []int64{3, -1, 0, 3, 7})))
	}},
	{"columns at indexes", graph.Gather{}, 0, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Gather{Axis: 3}, b.add(graph.Relu{}, x), b.constant(graph.Int32Tensor([]int{4}, []int32{2, 0, -3, 1})))
	}},
	{"vectors at an index", graph.Gather{}, 1e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Gather{Axis: 0}, b.vector(x), b.constant(graph.Int64Tensor([]int{1}, []int64{-1})))
	}},
	{"padded with a number", graph.Pad{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Pad{Mode: "constant", Pads: []int{0, 0, 1, 2, 0, 0, 3, 0}, Value: -1.5}, b.conv(x, Channels, 20, 1, 1, 1))
	}},
	{"padded with zeros, channels too", graph.Pad{}, 0, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Pad{Mode: "constant", Pads: []int{1, 2, 0, 0, 0, 1, 0, 4}}, x)
	}},
	{"padded with the border", graph.Pad{}, 0, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Pad{Mode: "edge", Pads: []int{0, 0, 5, 1, 0, 0, 0, 4}}, x)
	}},
	{"padded with reflections", graph.Pad{}, 0, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Pad{Mode: "reflect", Pads: []int{0, 0, 2, 1, 0, 0, 0, 2}}, x)
	}},
	{"vectors padded with reflections", graph.Pad{}, 1e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Pad{Mode: "reflect", Pads: []int{0, 11, 0, 3}}, b.vector(x))
	}},
	resize("twice as large, nearest", graph.Resize{Mode: "nearest", Coordinates: "asymmetric", Nearest: "floor", Scales: [2]float64{2, 2}}),
	resize("twice as large, bilinear", graph.Resize{Mode: "linear", Coordinates: "half_pixel", Scales: [2]float64{2, 2}}),
	resize("twice as large, bicubic", graph.Resize{Mode: "cubic", Coordinates: "half_pixel", Scales: [2]float64{2, 2}}),
	resize("bilinear to a size", graph.Resize{Mode: "linear", Coordinates: "align_corners", Sizes: [2]int{5, 11}}),
	resize("bicubic to a size", graph.Resize{Mode: "cubic", Coordinates: "align_corners", Sizes: [2]int{13, 4}}),
	resize("bilinear to a row", graph.Resize{Mode: "linear", Coordinates: "pytorch_half_pixel", Sizes: [2]int{1, 5}}),
	resize("bilinear by uneven scales", graph.Resize{Mode: "linear", Coordinates: "asymmetric", Scales: [2]float64{0.7, 1.3}}),
	resize("nearest to a size", graph.Resize{Mode: "nearest", Coordinates: "half_pixel", Nearest: "round_prefer_floor", Sizes: [2]int{6, 14}}),
	resize("nearest by uneven scales", graph.Resize{Mode: "nearest", Coordinates: "asymmetric", Nearest: "ceil", Scales: [2]float64{0.6, 3}}),
	resize("nearest with aligned corners", graph.Resize{Mode: "nearest", Coordinates: "align_corners", Nearest: "round_prefer_ceil", Sizes: [2]int{6, 3}}),
	{"bilinear to the size of another", graph.Resize{}, 4e-6, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Resize{Mode: "linear", Coordinates: "half_pixel"}, b.conv(x, Channels, 20, 3, 2, 1), x)
	}},
	{"nearest to the size of another", graph.Resize{}, 0, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Resize{Mode: "nearest", Coordinates: "asymmetric", Nearest: "floor"}, b.add(graph.MaxPool{Kernel: [2]int{2, 2}, Strides: [2]int{2, 2}}, x), x)
	}},
	{"float16 and back", graph.Cast{}, 0, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Cast{To: graph.Float32}, b.add(graph.Cast{To: graph.Float16}, x))
	}},
	{"whole numbers", graph.Cast{}, 0, func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Cast{To: graph.Float32}, b.add(graph.Cast{To: graph.Int32}, x))
	}},
	{"quantized", graph.QuantizeLinear{}, 1e-7, func(b *builder, x *graph.Value) *graph.Value {
		s, z := b.constant(graph.Float32Tensor([]int{}, []float32{0.0625})), b.constant(graph.Uint8Tensor([]int{}, []uint8{128}))
		return b.add(graph.DequantizeLinear{}, b.add(graph.QuantizeLinear{}, x, s, z), s, z)
	}},
	{"quantized by channel", graph.DequantizeLinear{}, 1e-6, func(b *builder, x *graph.Value) *graph.Value {
		s, z := b.positive(Channels), b.constant(graph.Int8Tensor([]int{Channels}, []int8{0, 1, 2, 3, 4, 5, -6, -7, -8, -9, -10, -11}))
		return b.add(graph.DequantizeLinear{Axis: 1}, b.add(graph.QuantizeLinear{Axis: 1}, x, s, z), s, z)
	}},
	{"quantized weight", graph.DequantizeLinear{}, 2e-6, func(b *builder, x *graph.Value) *graph.Value {
		w, _ := b.weight8(b.normal(0.3, 20, Channels, 1, 1))
		return b.add(graph.Conv{Strides: [2]int{1, 1}, Group: 1}, x, w)
	}},
}

// Several returns a graph with two inputs, a feature map "x" and factors "z" for its channels,
// and two outputs.
func Several() *graph.Graph {
	c := row{build: func(b *builder, x *graph.Value) *graph.Value {
		z := &graph.Value{Name: "z", Type: &graph.Type{DType: graph.Float32, Shape: graph.Shape{
			graph.Symbol("batch"), graph.Fixed(Channels), graph.Fixed(1), graph.Fixed(1)}}}
		b.Inputs = append(b.Inputs, z)
		gate := b.add(graph.Sigmoid{}, b.conv(z, Channels, 20, 1, 1, 1))
		y := b.add(graph.Mul{}, b.conv(x, Channels, 20, 3, 2, 1), gate)
		b.Outputs = []*graph.Value{gate}
		return y
	}}.make()
	return c.Graph
}

func resize(name string, op graph.Resize) row {
	return row{name, op, 2e-6, func(b *builder, x *graph.Value) *graph.Value { return b.add(op, x) }}
}

func activation(name string, op graph.Op) row {
	return row{name, op, 2e-6, func(b *builder, x *graph.Value) *graph.Value { return b.add(op, x) }}
}

func (b *builder) norm(x *graph.Value) *graph.Value {
	return b.add(graph.BatchNorm{Epsilon: 1e-5}, x, b.positive(Channels), b.normal(0.1, Channels), b.normal(0.1, Channels), b.positive(Channels))
}

// before is what activation functions stand behind.
var before = []struct {
	name  string
	build func(b *builder, x *graph.Value, act func(*graph.Value) *graph.Value) *graph.Value
}{
	{"a pointwise convolution", func(b *builder, x *graph.Value, act func(*graph.Value) *graph.Value) *graph.Value {
		return act(b.conv(x, Channels, 20, 1, 1, 1))
	}},
	{"a convolution of the input", func(b *builder, x *graph.Value, act func(*graph.Value) *graph.Value) *graph.Value {
		return act(b.conv(x, Channels, 20, 3, 2, 1))
	}},
	{"a depthwise convolution", func(b *builder, x *graph.Value, act func(*graph.Value) *graph.Value) *graph.Value {
		return act(b.conv(x, Channels, Channels, 3, 1, Channels))
	}},
	{"a depthwise convolution 5×5", func(b *builder, x *graph.Value, act func(*graph.Value) *graph.Value) *graph.Value {
		return act(b.conv(x, Channels, Channels, 5, 1, Channels))
	}},
	{"a normalisation", func(b *builder, x *graph.Value, act func(*graph.Value) *graph.Value) *graph.Value {
		return act(b.norm(x))
	}},
	{"a fully connected layer", func(b *builder, x *graph.Value, act func(*graph.Value) *graph.Value) *graph.Value {
		return act(b.add(graph.Gemm{}, b.vector(x), b.normal(1, 200, Channels), b.normal(0.1, 200)))
	}},
	{"a convolution, with a residual", func(b *builder, x *graph.Value, act func(*graph.Value) *graph.Value) *graph.Value {
		return b.add(graph.Add{}, act(b.conv(x, Channels, Channels, 1, 1, 1)), x)
	}},
	{"the first of two convolutions", func(b *builder, x *graph.Value, act func(*graph.Value) *graph.Value) *graph.Value {
		return b.add(graph.Add{}, x, b.conv(act(b.conv(x, Channels, 36, 1, 1, 1)), 36, Channels, 1, 1, 1))
	}},
}
