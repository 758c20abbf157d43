package reference

import (
	"fmt"

	"github.com/repvit-go/repvit/graph"
)

// gather is out[…,i,…] = in[…,list[i],…].
func (e *exec) gather(op graph.Gather, out array, in []array) {
	x, list := in[0], in[1].v
	n, inner := x.shape[op.Axis], elements(x.shape[op.Axis+1:])
	for r := range elements(x.shape[:op.Axis]) {
		for k, i := range list {
			if i < 0 {
				i += float64(n)
			}
			if i < 0 || i >= float64(n) {
				e.fail(fmt.Errorf("%w: index %v of an axis of size %d", graph.ErrShape, list[k], n))
				return
			}
			copy(out.v[(r*len(list)+k)*inner:][:inner], x.v[(r*n+int(i))*inner:])
		}
		if e.stopped() {
			return
		}
	}
}
