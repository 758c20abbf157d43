package reference

import "github.com/repvit-go/repvit/graph"

// operators are the formulas by the name of the operator. Each stands in a file of its name.
var operators = tableOf(
	formula((*exec).conv),
	formula((*exec).convTranspose),
	formula((*exec).gemm),
	formula((*exec).matMul),
	formula((*exec).batchNorm),
	formula((*exec).layerNorm),
	formula((*exec).gelu),
	formula((*exec).relu),
	formula((*exec).sigmoid),
	formula((*exec).hardSigmoid),
	formula((*exec).hardSwish),
	formula((*exec).clip),
	formula((*exec).abs),
	formula((*exec).neg),
	formula((*exec).exp),
	formula((*exec).log),
	formula((*exec).sqrt),
	formula((*exec).tanh),
	formula((*exec).erf),
	formula((*exec).elu),
	formula((*exec).leakyRelu),
	formula((*exec).sin),
	formula((*exec).cos),
	formula((*exec).floor),
	formula((*exec).ceil),
	formula((*exec).round),
	formula((*exec).sign),
	formula((*exec).add),
	formula((*exec).sub),
	formula((*exec).mul),
	formula((*exec).div),
	formula((*exec).pow),
	formula((*exec).maximum),
	formula((*exec).minimum),
	formula((*exec).mean),
	formula((*exec).equal),
	formula((*exec).greater),
	formula((*exec).less),
	formula((*exec).not),
	formula((*exec).and),
	formula((*exec).or),
	formula((*exec).where),
	formula((*exec).reduceMean),
	formula((*exec).reduceSum),
	formula((*exec).reduceProd),
	formula((*exec).reduceMax),
	formula((*exec).reduceMin),
	formula((*exec).argMax),
	formula((*exec).globalAveragePool),
	formula((*exec).averagePool),
	formula((*exec).maxPool),
	formula((*exec).softmax),
	formula((*exec).topK),
	formula((*exec).gatherND),
	formula((*exec).roiAlign),
	formula((*exec).proposals),
	formula((*exec).detections),
	formula((*exec).postprocessMasks),
	formula((*exec).flatten),
	formula((*exec).transpose),
	formula((*exec).cast),
	formula((*exec).reshape),
	formula((*exec).concat),
	formula((*exec).slice),
	formula((*exec).gather),
	formula((*exec).pad),
	formula((*exec).resize),
	formula((*exec).quantize),
	formula((*exec).dequantize),
)

// operator computes a node's value.
type operator struct {
	kind string
	// run sets out, whose elements are 0.
	run func(e *exec, op graph.Op, out array, in []array)
}

func formula[T graph.Op](f func(*exec, T, array, []array)) operator {
	var of T
	return operator{of.Kind(), func(e *exec, op graph.Op, out array, in []array) { f(e, op.(T), out, in) }}
}

func tableOf(all ...operator) map[string]operator {
	m := make(map[string]operator, len(all))
	for _, o := range all {
		m[o.kind] = o
	}
	return m
}
