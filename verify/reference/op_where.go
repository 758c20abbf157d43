package reference

import "github.com/repvit-go/repvit/graph"

// where is x where the condition holds, else y.
func (e *exec) where(_ graph.Where, out array, in []array) {
	rows, length := out.rows()
	sc, sx, sy := in[0].along(out.shape), in[1].along(out.shape), in[2].along(out.shape)
	e.parallel(rows, func(r int) {
		c, x, y := at(r, out.shape, sc), at(r, out.shape, sx), at(r, out.shape, sy)
		for i := range out.row(r, length) {
			if in[0].v[c+i*lastStride(sc)] != 0 {
				out.v[r*length+i] = in[1].v[x+i*lastStride(sx)]
			} else {
				out.v[r*length+i] = in[2].v[y+i*lastStride(sy)]
			}
		}
	})
}
