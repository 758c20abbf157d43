package reference

import "github.com/repvit-go/repvit/graph"

// concat puts the operands behind each other along the axis.
func (e *exec) concat(op graph.Concat, out array, in []array) {
	inner := elements(out.shape[op.Axis+1:])
	outer, length := elements(out.shape[:op.Axis]), out.shape[op.Axis]
	first := 0
	for _, x := range in {
		n := x.shape[op.Axis] * inner
		for i := range outer {
			copy(out.v[(i*length+first)*inner:], x.v[i*n:][:n])
		}
		first += x.shape[op.Axis]
	}
}
