package infer

import (
	"unsafe"

	"github.com/repvit-go/repvit/graph"
)

// lowerings are how the engine computes each operator, by its name. Each stands in a file of
// its name. They are set in init because they read each other: what follows an operator may
// be fused into it.
var lowerings map[string]opLowering

func init() {
	lowerings = map[string]opLowering{}
	for _, o := range []opLowering{
		convLowering, convTransposeLowering, gemmLowering, matMulLowering, batchNormLowering, layerNormLowering,
		geluLowering, reluLowering, sigmoidLowering, hardSigmoidLowering, hardSwishLowering, clipLowering,
		absLowering, negLowering, expLowering, logLowering, sqrtLowering, tanhLowering, erfLowering, eluLowering, leakyReluLowering,
		sinLowering, cosLowering, floorLowering, ceilLowering, roundLowering, signLowering,
		addLowering, subLowering, mulLowering, divLowering, powLowering, maxLowering, minLowering, meanLowering,
		equalLowering, greaterLowering, lessLowering, notLowering, andLowering, orLowering, whereLowering,
		reduceMeanLowering, reduceSumLowering, reduceProdLowering, reduceMaxLowering, reduceMinLowering, argMaxLowering,
		globalAveragePoolLowering, averagePoolLowering, maxPoolLowering,
		softmaxLowering, topKLowering, gatherNDLowering,
		roiAlignLowering, proposalsLowering, detectionsLowering, postprocessMasksLowering,
		flattenLowering, transposeLowering, castLowering,
		reshapeLowering, concatLowering, sliceLowering, gatherLowering, padLowering, resizeLowering,
		quantizeLinearLowering, dequantizeLinearLowering,
	} {
		lowerings[o.lower.kind] = o
	}
}

// opLowering is how the engine computes an operator.
type opLowering struct {
	lower lowerFunc
	// activation is the function that an operator with that trait is.
	activation func(graph.Op) activation
	// integer makes the operator where it works on quantized values, else nil; takes reports
	// whether it will, for a node whose operands are dequantized. Nil where it never does.
	integer func(l *lowering, b opBase) operator
	takes   func(l *lowering, n *graph.Node, views int) bool
	// packs reports whether the operands behind the first, the weight of a shape, are read
	// while the graph is lowered, and not any more when it runs. Nil where they never are.
	packs func(weight []int) bool
	// evaluate computes a node whose operands are constants; where it is nil the engine runs
	// a graph of that node.
	evaluate func(n *graph.Node, out graph.Type) *graph.Tensor
}

// packedOperands reports whether a node's operands behind the first are packed when the graph is
// lowered.
func packedOperands(n *graph.Node) bool {
	f := lowerings[n.Op.Kind()].packs
	return f != nil && n.Inputs[1].Const != nil && f(n.Inputs[1].Const.Shape)
}

// always is for operators that cannot do without.
func always([]int) bool { return true }

// lowerFunc makes the operator that starts with the node of b.
type lowerFunc struct {
	kind string
	f    func(l *lowering, b opBase) (operator, error)
}

func lowers[T graph.Op](f func(*lowering, opBase, T) (operator, error)) lowerFunc {
	var op T
	return lowerFunc{op.Kind(), func(l *lowering, b opBase) (operator, error) { return f(l, b, b.node.Op.(T)) }}
}

func evaluates[T graph.Op](f func(*graph.Node, T, graph.Type) *graph.Tensor) func(*graph.Node, graph.Type) *graph.Tensor {
	return func(n *graph.Node, out graph.Type) *graph.Tensor { return f(n, n.Op.(T), out) }
}

// doubles returns aligned scratch memory as half as many float64 elements.
func doubles(b []float32) []float64 {
	if uintptr(unsafe.Pointer(unsafe.SliceData(b)))%8 != 0 {
		b = b[1:]
	}
	return unsafe.Slice((*float64)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/2)
}

// elementwise plans a step that maps x to a value of the same shape, row by row without
// padding, in place where nothing else reads x.
func (p *planner) elementwise(x *buffer, work int, f func(dst, src []float32, row int)) {
	out := p.result(x.layout, x)
	p.step(x.rows, work*x.ld, 1, []*buffer{x, out}, func(e *exec) func(*local, int, int) {
		src, dst := e.data(x), e.data(out)
		return func(_ *local, from, to int) {
			for r := from; r < to; r++ {
				f(dst[r*x.ld:][:x.cols], src[r*x.ld:][:x.cols], r)
			}
			clearPadding(out, dst, from, to)
		}
	})
}
