package reference

import "github.com/repvit-go/repvit/graph"

// pad is out[…,i,…] = in[…,i − before,…] where that exists. Where it does not: the value; the
// element at the end of the axis; or the one as far inside as the place is outside.
func (e *exec) pad(op graph.Pad, out array, in []array) {
	x := in[0]
	strides := x.strides()
	e.chunks(len(out.v), func(begin, end int) {
		for o := begin; o < end; o++ {
			from, outside := 0, false
			for k, rest := len(out.shape)-1, o; k >= 0; k-- {
				last := x.shape[k] - 1
				i := rest%out.shape[k] - op.Pads[k]
				rest /= out.shape[k]
				if i < 0 || i > last {
					outside = true
					switch {
					case op.Mode != "reflect":
						i = min(max(i, 0), last)
					case i < 0:
						i = -i
					default:
						i = last - (i - last)
					}
				}
				from += i * strides[k]
			}
			if out.v[o] = x.v[from]; outside && op.Mode == "constant" {
				out.v[o] = op.Value
			}
		}
	})
}
