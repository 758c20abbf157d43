package reference

// each applies f to every element.
func (e *exec) each(out, x array, f func(float64) float64) {
	e.chunks(len(out.v), func(from, to int) {
		for i := from; i < to; i++ {
			out.v[i] = f(x.v[i])
		}
	})
}

// truth is 1 or 0.
func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// broadcast applies f to every pair of elements; axes that are missing or of size 1 repeat.
func (e *exec) broadcast(out, a, b array, f func(a, b float64) float64) {
	rows, length := out.rows()
	sa, sb := a.along(out.shape), b.along(out.shape)
	la, lb := lastStride(sa), lastStride(sb)
	e.parallel(rows, func(r int) {
		ia, ib := at(r, out.shape, sa), at(r, out.shape, sb)
		for i := range out.row(r, length) {
			out.v[r*length+i] = f(a.v[ia+i*la], b.v[ib+i*lb])
		}
	})
}
