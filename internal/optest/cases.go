package optest

import "github.com/repvit-go/repvit/graph"

// table holds at least one case for each operator of package graph.
var table = []row{
	{name: "convolution 1×1", op: graph.Conv{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value { return b.conv(x, Channels, 20, 1, 1, 1) }},
	{name: "convolution 1×1, stride 2", op: graph.Conv{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value { return b.conv(x, Channels, 20, 1, 2, 1) }},
	{name: "convolution 3×3", op: graph.Conv{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value { return b.conv(x, Channels, 20, 3, 1, 1) }},
	{name: "convolution 3×3 of many channels", op: graph.Conv{}, tolerance: 4e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.conv(b.conv(x, Channels, 80, 1, 1, 1), 80, 72, 3, 1, 1)
	}},
	{name: "convolution 3×3 of a feature map, stride 2", op: graph.Conv{}, tolerance: 4e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.conv(b.conv(x, Channels, 20, 1, 1, 1), 20, 36, 3, 2, 1)
	}},
	{name: "depthwise convolution 1×1", op: graph.Conv{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value { return b.conv(x, Channels, Channels, 1, 1, Channels) }},
	{name: "depthwise convolution 3×3", op: graph.Conv{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value { return b.conv(x, Channels, Channels, 3, 1, Channels) }},
	{name: "depthwise convolution 3×3, stride 2", op: graph.Conv{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value { return b.conv(x, Channels, Channels, 3, 2, Channels) }},
	{name: "depthwise convolution 5×5, stride 2", op: graph.Conv{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value { return b.conv(x, Channels, Channels, 5, 2, Channels) }},
	{name: "depthwise convolution with a multiplier", op: graph.Conv{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value { return b.conv(x, Channels, 2*Channels, 3, 1, Channels) }},
	{name: "convolution in groups", op: graph.Conv{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value { return b.conv(x, Channels, 8, 3, 1, 4) }},
	{name: "convolution, uneven and without bias", op: graph.Conv{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Conv{Strides: [2]int{3, 2}, Pads: [4]int{0, 1, 2, 3}, Group: 1}, x, b.normal(0.2, 9, Channels, 2, 4))
	}},
	{name: "dilated convolution", op: graph.Conv{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Conv{Strides: [2]int{1, 2}, Pads: [4]int{2, 3, 2, 1}, Group: 1, Dilations: [2]int{2, 3}}, x, b.normal(0.1, 20, Channels, 3, 2), b.normal(0.1, 20))
	}},
	{name: "dilated depthwise convolution", op: graph.Conv{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Conv{Strides: [2]int{1, 1}, Pads: [4]int{2, 2, 2, 2}, Group: Channels, Dilations: [2]int{2, 2}}, x, b.normal(0.3, Channels, 1, 3, 3))
	}},
	{name: "convolution 7×7, stride 2", op: graph.Conv{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value { return b.conv(x, Channels, 33, 7, 2, 1) }},
	{name: "transposed convolution 2×2, stride 2", op: graph.ConvTranspose{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Relu{}, b.add(graph.ConvTranspose{Strides: [2]int{2, 2}, Group: 1}, x, b.normal(0.3, Channels, 20, 2, 2), b.normal(0.1, 20)))
	}},
	{name: "transposed convolution 3×3, stride 2", op: graph.ConvTranspose{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.ConvTranspose{Strides: [2]int{2, 2}, Pads: [4]int{1, 1, 1, 1}, OutputPadding: [2]int{1, 1}, Group: 1}, x, b.normal(0.1, Channels, 20, 3, 3), b.normal(0.1, 20))
	}},
	{name: "transposed convolution, uneven and dilated", op: graph.ConvTranspose{}, tolerance: 4e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.ConvTranspose{Strides: [2]int{1, 3}, Pads: [4]int{2, 0, 1, 4}, Group: 1, Dilations: [2]int{2, 1}}, x, b.normal(0.1, Channels, 33, 3, 4))
	}},
	{name: "transposed convolution with gaps", op: graph.ConvTranspose{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.ConvTranspose{Strides: [2]int{3, 2}, Group: 1}, x, b.normal(0.3, Channels, 7, 2, 1), b.normal(1, 7))
	}},
	{name: "transposed convolution in groups", op: graph.ConvTranspose{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.ConvTranspose{Strides: [2]int{2, 2}, Pads: [4]int{1, 1, 1, 1}, Group: 4}, x, b.normal(0.2, Channels, 5, 4, 4), b.normal(0.1, 20))
	}},
	{name: "fully connected", op: graph.Gemm{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Gemm{}, b.vector(x), b.normal(0.3, 200, Channels), b.normal(0.1, 200))
	}},
	{name: "fully connected without bias", op: graph.Gemm{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Gemm{}, b.vector(x), b.normal(0.3, 7, Channels))
	}},
	{name: "matrix product of pixels", op: graph.MatMul{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.MatMul{}, b.add(graph.Transpose{Perm: []int{0, 2, 3, 1}}, x), b.normal(0.3, Channels, 36))
	}},
	{name: "matrix product of vectors", op: graph.MatMul{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.MatMul{}, b.vector(x), b.normal(0.3, Channels, 5))
	}},
	{name: "matrix product of two activations", op: graph.MatMul{}, tolerance: 4e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.MatMul{}, x, b.add(graph.Transpose{Perm: []int{0, 1, 3, 2}}, x))
	}},
	{name: "attention", op: graph.MatMul{}, tolerance: 2e-5, build: func(b *builder, x *graph.Value) *graph.Value {
		s := b.add(graph.MatMul{}, x, b.add(graph.Transpose{Perm: []int{0, 1, 3, 2}}, b.conv(x, Channels, Channels, 1, 1, 1)))
		return b.add(graph.MatMul{}, b.add(graph.Softmax{}, s), x)
	}},
	{name: "matrix product with several constant matrices", op: graph.MatMul{}, tolerance: 4e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.MatMul{}, b.add(graph.Transpose{Perm: []int{0, 2, 3, 1}}, b.add(graph.GlobalAveragePool{}, x)), b.normal(0.3, 5, Channels, 7))
	}},
	{name: "matrix product with a constant on the left", op: graph.MatMul{}, tolerance: 4e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.MatMul{}, b.normal(0.3, 3, Channels), b.add(graph.Transpose{Perm: []int{0, 2, 1, 3}}, x))
	}},
	{name: "batch normalisation", op: graph.BatchNorm{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value { return b.norm(x) }},
	{name: "batch normalisation of vectors", op: graph.BatchNorm{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value { return b.norm(b.vector(x)) }},
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
	{name: "logarithm", op: graph.Log{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value { return b.add(graph.Log{}, b.add(graph.Sigmoid{}, x)) }},
	{name: "square root", op: graph.Sqrt{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value { return b.add(graph.Sqrt{}, b.add(graph.Sigmoid{}, x)) }},
	{name: "difference", op: graph.Sub{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Sub{}, x, b.conv(x, Channels, Channels, 1, 1, 1))
	}},
	{name: "difference, the first operand broadcast", op: graph.Sub{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Sub{}, b.normal(1, Channels, 1, 1), x)
	}},
	activation("sine", graph.Sin{}),
	activation("cosine", graph.Cos{}),
	exact("whole numbers below", graph.Floor{}),
	exact("whole numbers above", graph.Ceil{}),
	exact("sign", graph.Sign{}),
	{name: "nearest whole numbers, ties to even", op: graph.Round{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Round{}, b.add(graph.Mul{}, b.add(graph.Floor{}, x), b.number(0.5)))
	}},
	{name: "power", op: graph.Pow{}, tolerance: 4e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Pow{}, b.add(graph.Sigmoid{}, x), b.positive(Channels, 1, 1))
	}},
	{name: "square", op: graph.Pow{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value { return b.add(graph.Pow{}, x, b.number(2)) }},
	{name: "larger of two", op: graph.Max{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Max{}, x, b.normal(1, Channels, 1, 1))
	}},
	{name: "smaller of two", op: graph.Min{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Min{}, b.normal(1, 1, Channels, 1, 1), x)
	}},
	{name: "smaller of two integers", op: graph.Min{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.number32(b.add(graph.Min{}, b.add(graph.Cast{To: graph.Int64}, x), b.constant(graph.Int64Tensor([]int{1}, []int64{1}))))
	}},
	{name: "equal", op: graph.Equal{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.number32(b.add(graph.Equal{}, b.add(graph.Floor{}, x), b.number(1)))
	}},
	{name: "greater", op: graph.Greater{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.number32(b.add(graph.Greater{}, x, b.normal(1, Channels, 1, 1)))
	}},
	{name: "less", op: graph.Less{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.number32(b.add(graph.Less{}, b.normal(1, Channels, 1, 1), x))
	}},
	{name: "not", op: graph.Not{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.number32(b.add(graph.Not{}, b.add(graph.Cast{To: graph.Bool}, b.add(graph.Floor{}, x))))
	}},
	{name: "both", op: graph.And{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.number32(b.add(graph.And{}, b.add(graph.Less{}, x, b.number(1)), b.add(graph.Greater{}, x, b.normal(1, Channels, 1, 1))))
	}},
	{name: "one or both", op: graph.Or{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		masks := b.constant(graph.BoolTensor([]int{Channels, 1, 1}, []bool{0: true, 5: true, Channels - 1: false}))
		return b.number32(b.add(graph.Or{}, b.add(graph.Less{}, x, b.number(-1)), masks))
	}},
	{name: "one of two values", op: graph.Where{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Where{}, b.add(graph.Less{}, x, b.number(0)), b.normal(1, Channels, 1, 1), x)
	}},
	{name: "one of two values, all broadcast", op: graph.Where{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		top := b.add(graph.ReduceMax{Axes: []int{-2, -1}, KeepDims: true}, x)
		return b.add(graph.Where{}, b.constant(graph.BoolTensor([]int{5}, []bool{true, false, true, true, false})), top, b.normal(1, 1, 1, 4, 1))
	}},
	{name: "quotient", op: graph.Div{}, tolerance: 4e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Div{}, x, b.positive(Channels, 1, 1))
	}},
	{name: "quotient of a number", op: graph.Div{}, tolerance: 4e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Div{}, b.constant(graph.Float32Tensor([]int{}, []float32{0.7})), b.add(graph.Exp{}, b.add(graph.GlobalAveragePool{}, x)))
	}},
	{name: "sum", op: graph.Add{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Add{}, x, b.conv(x, Channels, Channels, 1, 1, 1))
	}},
	{name: "sum with a constant for each channel", op: graph.Add{}, tolerance: 1e-7, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Add{}, x, b.normal(1, 1, Channels, 1, 1))
	}},
	{name: "sum, both operands broadcast", op: graph.Add{}, tolerance: 1e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Add{}, b.add(graph.GlobalAveragePool{}, x), b.normal(1, 1, Channels, 5, 1))
	}},
	{name: "sum with a vector along the last axis", op: graph.Add{}, tolerance: 1e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Add{}, b.add(graph.Transpose{Perm: []int{0, 2, 3, 1}}, x), b.normal(1, Channels))
	}},
	{name: "sum of a vector and rows", op: graph.Add{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Add{}, b.normal(1, 5), b.add(graph.Gemm{}, b.vector(x), b.normal(0.3, 5, Channels)))
	}},
	{name: "sum with a constant of three axes", op: graph.Add{}, tolerance: 1e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Add{}, x, b.normal(1, Channels, 1, 1))
	}},
	{name: "product with a number", op: graph.Mul{}, tolerance: 1e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Mul{}, b.constant(graph.Float32Tensor([]int{}, []float32{0.7})), x)
	}},
	{name: "product of more axes than either has", op: graph.Mul{}, tolerance: 1e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Mul{}, b.add(graph.GlobalAveragePool{}, x), b.normal(1, 2, 1, 1, 1, 5))
	}},
	{name: "product", op: graph.Mul{}, tolerance: 4e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Mul{}, x, b.conv(x, Channels, Channels, 1, 1, 1))
	}},
	{name: "product with a factor for each channel", op: graph.Mul{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Mul{}, x, b.add(graph.Sigmoid{}, b.add(graph.GlobalAveragePool{}, x)))
	}},
	{name: "mean of two", op: graph.Mean{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Mean{}, x, b.conv(x, Channels, Channels, 1, 1, 1))
	}},
	{name: "mean of vectors", op: graph.Mean{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		v := b.vector(x)
		return b.add(graph.Mean{}, v, b.add(graph.Relu{}, v), v)
	}},
	{name: "mean over channels", op: graph.ReduceMean{}, tolerance: 1e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.ReduceMean{Axes: []int{-3}, KeepDims: true}, x)
	}},
	{name: "mean over columns", op: graph.ReduceMean{}, tolerance: 1e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.ReduceMean{Axes: []int{-1}}, b.conv(x, Channels, 20, 1, 1, 1))
	}},
	{name: "mean over channels and rows", op: graph.ReduceMean{}, tolerance: 1e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.ReduceMean{Axes: []int{-3, -2}}, x)
	}},
	{name: "mean over all of vectors", op: graph.ReduceMean{}, tolerance: 1e-5, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.ReduceMean{Axes: []int{-2, -1}}, b.vector(x))
	}},
	{name: "sum over channels", op: graph.ReduceSum{}, tolerance: 4e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.ReduceSum{Axes: []int{-3}}, x)
	}},
	{name: "sum over everything", op: graph.ReduceSum{}, tolerance: 1e-5, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.ReduceSum{Axes: []int{-4, -3, -2, -1}, KeepDims: true}, b.add(graph.Sigmoid{}, x))
	}},
	{name: "product over columns", op: graph.ReduceProd{}, tolerance: 4e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.ReduceProd{Axes: []int{-1}, KeepDims: true}, b.add(graph.Sigmoid{}, x))
	}},
	{name: "largest of pixels", op: graph.ReduceMax{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.ReduceMax{Axes: []int{-2, -1}}, x)
	}},
	{name: "largest of channels", op: graph.ReduceMax{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.ReduceMax{Axes: []int{-3}, KeepDims: true}, x)
	}},
	{name: "smallest of vectors", op: graph.ReduceMin{}, tolerance: 1e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.ReduceMin{Axes: []int{-1}}, b.vector(x))
	}},
	{name: "smallest of integers", op: graph.ReduceMin{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.number32(b.add(graph.ReduceMin{Axes: []int{-4, -1}, KeepDims: true}, b.add(graph.Cast{To: graph.Int32}, x)))
	}},
	{name: "channel with the largest value", op: graph.ArgMax{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.number32(b.add(graph.ArgMax{Axis: -3}, x))
	}},
	{name: "channel with the largest value of an enlarged map", op: graph.ArgMax{}, tolerance: 4e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.number32(b.add(graph.ArgMax{Axis: -3, KeepDims: true}, b.add(graph.Resize{Mode: "linear", Coordinates: "half_pixel", Scales: [2]float64{2, 2}}, x)))
	}},
	{name: "last row with the largest value", op: graph.ArgMax{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.number32(b.add(graph.ArgMax{Axis: -2, KeepDims: true, SelectLastIndex: true}, b.add(graph.Sign{}, x)))
	}},
	{name: "layer normalisation of channels", op: graph.LayerNorm{}, tolerance: 4e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.LayerNorm{Axes: []int{-3}, Epsilon: 1e-6}, x, b.positive(Channels, 1, 1), b.normal(0.3, Channels, 1, 1))
	}},
	{name: "layer normalisation of tokens", op: graph.LayerNorm{}, tolerance: 4e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.LayerNorm{Axes: []int{-1}, Epsilon: 1e-5}, b.add(graph.Transpose{Perm: []int{0, 2, 3, 1}}, x), b.positive(Channels), b.normal(0.3, Channels))
	}},
	{name: "layer normalisation of vectors, without bias", op: graph.LayerNorm{}, tolerance: 4e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.LayerNorm{Axes: []int{-1}, Epsilon: 0.1}, b.vector(x), b.positive(Channels))
	}},
	{name: "layer normalisation over several axes", op: graph.LayerNorm{}, tolerance: 4e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		m := b.add(graph.MatMul{}, b.add(graph.Transpose{Perm: []int{0, 2, 3, 1}}, x), b.normal(0.3, Channels, 7))
		m = b.add(graph.MatMul{}, b.add(graph.Transpose{Perm: []int{0, 1, 3, 2}}, m), m)
		return b.add(graph.LayerNorm{Axes: []int{-2, -1}, Epsilon: 1e-5}, m, b.positive(7, 7), b.normal(0.3, 7, 7))
	}},
	{name: "mean of every channel", op: graph.GlobalAveragePool{}, tolerance: 1e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.GlobalAveragePool{}, x)
	}},
	{name: "largest of 3×3, stride 2", op: graph.MaxPool{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.MaxPool{Kernel: [2]int{3, 3}, Strides: [2]int{2, 2}, Pads: [4]int{1, 1, 1, 1}}, x)
	}},
	{name: "largest of uneven windows", op: graph.MaxPool{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.MaxPool{Kernel: [2]int{2, 3}, Strides: [2]int{1, 2}, Pads: [4]int{1, 0, 0, 2}}, b.conv(x, Channels, 20, 1, 1, 1))
	}},
	{name: "largest of 3×3, stride 2, rounded up", op: graph.MaxPool{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.MaxPool{Kernel: [2]int{3, 2}, Strides: [2]int{2, 2}, Pads: [4]int{0, 1, 0, 1}, CeilMode: true}, x)
	}},
	{name: "largest of pixels apart", op: graph.MaxPool{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.MaxPool{Kernel: [2]int{2, 3}, Strides: [2]int{1, 2}, Pads: [4]int{1, 2, 0, 1}, Dilations: [2]int{2, 2}}, x)
	}},
	{name: "mean of 2×2, rounded up", op: graph.AveragePool{}, tolerance: 1e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.AveragePool{Kernel: [2]int{2, 2}, Strides: [2]int{2, 2}, CeilMode: true}, x)
	}},
	{name: "mean of 3×3 with its padding, rounded up", op: graph.AveragePool{}, tolerance: 1e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.AveragePool{Kernel: [2]int{3, 3}, Strides: [2]int{2, 2}, Pads: [4]int{1, 1, 0, 1}, CountIncludePad: true, CeilMode: true}, x)
	}},
	{name: "mean of 2×2, stride 2", op: graph.AveragePool{}, tolerance: 1e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.AveragePool{Kernel: [2]int{2, 2}, Strides: [2]int{2, 2}}, x)
	}},
	{name: "mean of 3×3 with its padding", op: graph.AveragePool{}, tolerance: 1e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.AveragePool{Kernel: [2]int{3, 3}, Strides: [2]int{2, 1}, Pads: [4]int{1, 1, 1, 1}, CountIncludePad: true}, x)
	}},
	{name: "mean of uneven windows without padding", op: graph.AveragePool{}, tolerance: 1e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.AveragePool{Kernel: [2]int{2, 3}, Strides: [2]int{1, 2}, Pads: [4]int{1, 0, 0, 2}}, x)
	}},
	{name: "softmax", op: graph.Softmax{}, tolerance: 1e-5, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Softmax{}, b.add(graph.Gemm{}, b.vector(x), b.normal(1, 200, Channels)))
	}},
	{name: "softmax over channels", op: graph.Softmax{}, tolerance: 1e-5, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Softmax{Axis: -3}, x)
	}},
	{name: "softmax over columns", op: graph.Softmax{}, tolerance: 1e-5, build: func(b *builder, x *graph.Value) *graph.Value { return b.add(graph.Softmax{}, x) }},
	{name: "softmax over rows", op: graph.Softmax{}, tolerance: 1e-5, build: func(b *builder, x *graph.Value) *graph.Value { return b.add(graph.Softmax{Axis: -2}, x) }},
	{name: "softmax over the batch", op: graph.Softmax{}, tolerance: 1e-5, build: func(b *builder, x *graph.Value) *graph.Value { return b.add(graph.Softmax{Axis: -4}, x) }},
	{name: "largest three of every channel's rows", op: graph.TopK{}, tolerance: 1e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.top(x, graph.TopK{K: 3, Axis: -1})
	}},
	{name: "smallest channels", op: graph.TopK{}, tolerance: 1e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.top(x, graph.TopK{K: 5, Axis: -3, Smallest: true})
	}},
	{name: "largest elements of vectors", op: graph.TopK{}, tolerance: 1e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.top(b.add(graph.Flatten{}, x), graph.TopK{K: 4, Axis: -1})
	}},
	{name: "flatten pixels", op: graph.Flatten{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value { return b.add(graph.Flatten{}, x) }},
	{name: "flatten means", op: graph.Flatten{}, tolerance: 1e-6, build: func(b *builder, x *graph.Value) *graph.Value { return b.vector(x) }},
	{name: "transpose", op: graph.Transpose{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Transpose{Perm: []int{3, 1, 0, 2}}, x)
	}},
	{name: "channels last", op: graph.Transpose{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Transpose{Perm: []int{0, 2, 3, 1}}, x)
	}},
	{name: "feature maps behind each other", op: graph.Concat{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Concat{Axis: 1}, x, b.conv(x, Channels, 20, 1, 1, 1), x)
	}},
	{name: "rows behind each other", op: graph.Concat{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Concat{Axis: 2}, x, b.add(graph.MaxPool{Kernel: [2]int{2, 1}, Strides: [2]int{1, 1}}, x))
	}},
	{name: "columns behind each other, channels last", op: graph.Concat{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		t := b.add(graph.Transpose{Perm: []int{0, 2, 3, 1}}, x)
		return b.add(graph.Concat{Axis: 3}, t, t)
	}},
	{name: "vectors behind each other", op: graph.Concat{}, tolerance: 1e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		v := b.vector(x)
		return b.add(graph.Concat{Axis: 0}, v, b.add(graph.Relu{}, v), b.normal(1, 2, Channels))
	}},
	{name: "pixels in a row", op: graph.Reshape{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Reshape{Shape: []int{0, 0, -1}}, x)
	}},
	{name: "tokens of a feature map and back", op: graph.Reshape{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		t := b.add(graph.Reshape{Shape: []int{0, -1, 20}}, b.add(graph.Transpose{Perm: []int{0, 2, 3, 1}}, b.conv(x, Channels, 20, 1, 1, 1)))
		return b.add(graph.Relu{}, b.add(graph.Reshape{Shape: []int{0, -1, 1, 10}}, t))
	}},
	{name: "channels in groups", op: graph.Reshape{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		g := b.add(graph.Reshape{Shape: []int{0, 3, 4, -1}}, x)
		return b.add(graph.Add{}, b.add(graph.Reshape{Shape: []int{0, Channels, -1, 1}}, b.add(graph.Transpose{Perm: []int{0, 2, 1, 3}}, g)), b.normal(1, Channels, 1, 1))
	}},
	{name: "feature maps of each channel", op: graph.Reshape{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		g := b.add(graph.Reshape{Shape: []int{0, 3, 4, -4, -5}}, b.conv(x, Channels, Channels, 1, 1, 1))
		return b.add(graph.Reshape{Shape: []int{0, 12, -5, -6}}, b.add(graph.Transpose{Perm: []int{0, 2, 1, 3, 4}}, g))
	}},
	{name: "axes of size 1", op: graph.Reshape{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Reshape{Shape: []int{1, -2, 12, 1, -4, -1}}, x)
	}},
	{name: "heads of vectors", op: graph.Reshape{}, tolerance: 1e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Reshape{Shape: []int{-1, 3, 1, 4}}, b.vector(x))
	}},
	{name: "a part", op: graph.Slice{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Slice{Axes: []int{2, 1}, Starts: []int{1, -9}, Ends: []int{graph.SliceAll, 7}, Steps: []int{1, 1}}, x)
	}},
	{name: "every second pixel", op: graph.Slice{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Slice{Axes: []int{2, 3}, Starts: []int{0, 1}, Ends: []int{graph.SliceAll, -1}, Steps: []int{2, 2}}, b.add(graph.Transpose{Perm: []int{0, 2, 1, 3}}, x))
	}},
	{name: "backwards", op: graph.Slice{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Slice{Axes: []int{3, 1}, Starts: []int{-1, 20}, Ends: []int{-graph.SliceAll, 1}, Steps: []int{-1, -3}}, x)
	}},
	{name: "a part of vectors", op: graph.Slice{}, tolerance: 1e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Slice{Axes: []int{1}, Starts: []int{3}, Ends: []int{10}, Steps: []int{1}}, b.vector(x))
	}},
	{name: "channels at indexes", op: graph.Gather{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Gather{Axis: 1}, x, b.constant(graph.Int64Tensor([]int{5}, []int64{3, -1, 0, 3, 7})))
	}},
	{name: "columns at indexes", op: graph.Gather{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Gather{Axis: 3}, b.add(graph.Relu{}, x), b.constant(graph.Int32Tensor([]int{4}, []int32{2, 0, -3, 1})))
	}},
	{name: "vectors at an index", op: graph.Gather{}, tolerance: 1e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Gather{Axis: 0}, b.vector(x), b.constant(graph.Int64Tensor([]int{1}, []int64{-1})))
	}},
	{name: "padded with a number", op: graph.Pad{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Pad{Mode: "constant", Pads: []int{0, 0, 1, 2, 0, 0, 3, 0}, Value: -1.5}, b.conv(x, Channels, 20, 1, 1, 1))
	}},
	{name: "padded with zeros, channels too", op: graph.Pad{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Pad{Mode: "constant", Pads: []int{1, 2, 0, 0, 0, 1, 0, 4}}, x)
	}},
	{name: "padded with the border", op: graph.Pad{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Pad{Mode: "edge", Pads: []int{0, 0, 5, 1, 0, 0, 0, 4}}, x)
	}},
	{name: "padded with reflections", op: graph.Pad{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Pad{Mode: "reflect", Pads: []int{0, 0, 2, 1, 0, 0, 0, 2}}, x)
	}},
	{name: "vectors padded with reflections", op: graph.Pad{}, tolerance: 1e-6, build: func(b *builder, x *graph.Value) *graph.Value {
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
	{name: "bilinear to the size of another", op: graph.Resize{}, tolerance: 4e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Resize{Mode: "linear", Coordinates: "half_pixel"}, b.conv(x, Channels, 20, 3, 2, 1), x)
	}},
	{name: "nearest to the size of another", op: graph.Resize{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Resize{Mode: "nearest", Coordinates: "asymmetric", Nearest: "floor"}, b.add(graph.MaxPool{Kernel: [2]int{2, 2}, Strides: [2]int{2, 2}}, x), x)
	}},
	{name: "float16 and back", op: graph.Cast{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Cast{To: graph.Float32}, b.add(graph.Cast{To: graph.Float16}, x))
	}},
	{name: "whole numbers", op: graph.Cast{}, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Cast{To: graph.Float32}, b.add(graph.Cast{To: graph.Int32}, x))
	}},
	{name: "quantized", op: graph.QuantizeLinear{}, tolerance: 1e-7, build: func(b *builder, x *graph.Value) *graph.Value {
		s, z := b.constant(graph.Float32Tensor([]int{}, []float32{0.0625})), b.constant(graph.Uint8Tensor([]int{}, []uint8{128}))
		return b.add(graph.DequantizeLinear{}, b.add(graph.QuantizeLinear{}, x, s, z), s, z)
	}},
	{name: "quantized by channel", op: graph.DequantizeLinear{}, tolerance: 1e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		s, z := b.positive(Channels), b.constant(graph.Int8Tensor([]int{Channels}, []int8{0, 1, 2, 3, 4, 5, -6, -7, -8, -9, -10, -11}))
		return b.add(graph.DequantizeLinear{Axis: 1}, b.add(graph.QuantizeLinear{Axis: 1}, x, s, z), s, z)
	}},
	{name: "quantized weight", op: graph.DequantizeLinear{}, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		w, _ := b.weight8(b.normal(0.3, 20, Channels, 1, 1))
		return b.add(graph.Conv{Strides: [2]int{1, 1}, Group: 1}, x, w)
	}},
}

// number is a constant without axes.
func (b *builder) number(v float32) *graph.Value {
	return b.constant(graph.Float32Tensor([]int{}, []float32{v}))
}

// number32 makes float32 of integers or truth values.
func (b *builder) number32(x *graph.Value) *graph.Value {
	return b.add(graph.Cast{To: graph.Float32}, x)
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
	return row{name: name, op: op, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value { return b.add(op, x) }}
}

func activation(name string, op graph.Op) row {
	return row{name: name, op: op, tolerance: 2e-6, build: func(b *builder, x *graph.Value) *graph.Value { return b.add(op, x) }}
}

// exact is a function whose results have no error.
func exact(name string, op graph.Op) row {
	return row{name: name, op: op, tolerance: 0, build: func(b *builder, x *graph.Value) *graph.Value { return b.add(op, x) }}
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
