package reference

import "math"

// gelu is x·Φ(x), where Φ(x) = erfc(−x/√2)/2 is the standard normal distribution
// function. This form keeps its precision in the left tail, where 1+erf(x/√2) cancels.
func gelu(x float64) float64 { return x * math.Erfc(-x/math.Sqrt2) / 2 }

func relu(x float64) float64 { return max(x, 0) }

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// each applies f to every element.
func (e *exec) each(out, x array, f func(float64) float64) {
	e.chunks(len(out.v), func(from, to int) {
		for i := from; i < to; i++ {
			out.v[i] = f(x.v[i])
		}
	})
}

// broadcast applies f to every pair of elements; axes of size 1 repeat.
func (e *exec) broadcast(out, a, b array, f func(a, b float64) float64) {
	rows, length := out.rows()
	sa, sb := a.strides(), b.strides()
	la, lb := lastStride(sa), lastStride(sb)
	e.parallel(rows, func(r int) {
		ia, ib := at(r, out.shape, sa), at(r, out.shape, sb)
		for i := range out.row(r, length) {
			out.v[r*length+i] = f(a.v[ia+i*la], b.v[ib+i*lb])
		}
	})
}

// mean is the mean of all operands, element by element.
func (e *exec) mean(out array, in []array) {
	e.chunks(len(out.v), func(from, to int) {
		for i := from; i < to; i++ {
			sum := 0.0
			for _, x := range in {
				sum += x.v[i]
			}
			out.v[i] = sum / float64(len(in))
		}
	})
}

// softmax is eˣ/Σeˣ over the last axis, with the row's largest x taken off every x first,
// which cancels and keeps eˣ from overflowing.
func (e *exec) softmax(out, x array) {
	rows, length := x.rows()
	e.parallel(rows, func(r int) {
		from, to := x.row(r, length), out.row(r, length)
		top := math.Inf(-1)
		for _, v := range from {
			top = max(top, v)
		}
		sum := 0.0
		for i, v := range from {
			to[i] = math.Exp(v - top)
			sum += to[i]
		}
		for i := range to {
			to[i] /= sum
		}
	})
}
