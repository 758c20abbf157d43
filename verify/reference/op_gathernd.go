package reference

import "github.com/repvit-go/repvit/graph"

// gatherND is out[n, …] = x[n, indices[n, 0], …].
func (e *exec) gatherND(_ graph.GatherND, out array, in []array) {
	x, indices := in[0], in[1]
	channels, size := x.shape[1], elements(x.shape[2:])
	for n := range x.shape[0] {
		c := int(indices.v[n])
		if c < 0 {
			c += channels
		}
		c = min(max(c, 0), channels-1)
		copy(out.v[n*size:][:size], x.v[(n*channels+c)*size:])
	}
}
