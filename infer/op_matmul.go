package infer

import (
	"github.com/repvit-go/repvit/graph"
)

var matMulLowering = opLowering{
	lower:   lowers((*lowering).matMul),
	integer: (*lowering).integerLinear,
	takes:   (*lowering).takesLinear,
	packs:   true,
}

func (l *lowering) matMul(b opBase, _ graph.MatMul) (operator, error) {
	w, _, err := l.parameters(b.node)
	if err != nil {
		return nil, err
	}
	g := &gemmOp{opBase: b, layout: rowsLayout, w: l.w.get(formMatMul, w, nil)}
	l.epilogue(&g.opBase, &g.act, &g.residual)
	return g, nil
}
