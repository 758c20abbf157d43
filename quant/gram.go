package quant

import (
	"context"
	"math"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
)

// gram returns XᵀX/rows for rows of k numbers, computed by the engine's own matrix product.
func gram(ctx context.Context, rows []float32, k int) ([]float64, error) {
	n := len(rows) / k
	t := make([]float32, len(rows)) // Xᵀ, k×n
	for i := range n {
		for j, v := range rows[i*k:][:k] {
			t[j*n+i] = v
		}
	}
	x := graph.Float32Tensor([]int{k, n}, t)
	in := &graph.Value{Name: "x", Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(k, n)}}
	g := &graph.Graph{Inputs: []*graph.Value{in}}
	g.Outputs = []*graph.Value{g.Add("gram", graph.Gemm{}, in, graph.Weight("w", x))}
	s, err := infer.New(g, infer.Options{Threads: 1})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	y, err := s.Run(ctx, x)
	if err != nil {
		return nil, err
	}
	out := make([]float64, k*k)
	for i, v := range y.Float32s() {
		out[i] = float64(v) / float64(n)
	}
	for i := range k { // the two halves differ by rounding
		for j := range i {
			out[j*k+i] = out[i*k+j]
		}
	}
	return out, nil
}

// inverseFactor returns the upper triangular U with H⁻¹ = UᵀU for the Gram matrix H, to
// whose diagonal a hundredth of its mean is added so that it can be inverted. False where
// it can't be.
func inverseFactor(h []float64, k int) ([]float64, bool) {
	mean := 0.0
	for i := range k {
		mean += h[i*k+i] / float64(k)
	}
	if !(mean > 0) {
		return nil, false
	}
	l := make([]float64, k*k)
	copy(l, h)
	for i := range k {
		l[i*k+i] += 0.01 * mean
	}
	if !cholesky(l, k) {
		return nil, false
	}
	inv := invertFromCholesky(l, k)
	if !cholesky(inv, k) {
		return nil, false
	}
	u := make([]float64, k*k)
	for i := range k {
		for j := 0; j <= i; j++ {
			u[j*k+i] = inv[i*k+j]
		}
	}
	return u, true
}

// cholesky replaces the lower triangle of a symmetric positive definite matrix by its
// Cholesky factor.
func cholesky(a []float64, k int) bool {
	for j := range k {
		rj := a[j*k : j*k+j]
		d := a[j*k+j]
		for _, v := range rj {
			d -= v * v
		}
		if !(d > 0) {
			return false
		}
		d = math.Sqrt(d)
		a[j*k+j] = d
		for i := j + 1; i < k; i++ {
			a[i*k+j] = (a[i*k+j] - dot(a[i*k:i*k+j], rj)) / d
		}
	}
	return true
}

// dot is the scalar product, in four sums so that the processor's pipeline stays full.
func dot(a, b []float64) float64 {
	b = b[:len(a)]
	var s0, s1, s2, s3 float64
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s0 += a[i] * b[i]
		s1 += a[i+1] * b[i+1]
		s2 += a[i+2] * b[i+2]
		s3 += a[i+3] * b[i+3]
	}
	for ; i < len(a); i++ {
		s0 += a[i] * b[i]
	}
	return s0 + s1 + s2 + s3
}

// invertFromCholesky returns (L·Lᵀ)⁻¹ for the lower triangular L.
func invertFromCholesky(l []float64, k int) []float64 {
	// Rows of m are the columns of L⁻¹: m[j][i] = (L⁻¹)[i][j], i ≥ j.
	m := make([]float64, k*k)
	for j := range k {
		row := m[j*k:][:k]
		row[j] = 1 / l[j*k+j]
		for i := j + 1; i < k; i++ {
			row[i] = -dot(l[i*k+j:i*k+i], row[j:i]) / l[i*k+i]
		}
	}
	inv := make([]float64, k*k)
	for i := range k {
		for j := 0; j <= i; j++ {
			v := dot(m[i*k+i:i*k+k], m[j*k+i:j*k+k])
			inv[i*k+j], inv[j*k+i] = v, v
		}
	}
	return inv
}
