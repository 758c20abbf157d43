package quant

import (
	"context"
	"math"

	"github.com/repvit-go/repvit/graph"
)

// rows are pixels of a layer's input, k channels each, spread evenly over the images.
type rows struct {
	k, each int // each image gives this many pixels, or all that it has
	values  []float32
}

// newRows keeps about four rows for each channel.
func newRows(k, images int) *rows {
	return &rows{k: k, each: max(1, (4*k+images-1)/images)}
}

func (r *rows) add(t *graph.Tensor) {
	x := t.Float32s()
	pixels := len(x) / t.Shape[0] / r.k
	n := min(r.each, pixels)
	for i := range t.Shape[0] {
		image := x[i*r.k*pixels:][:r.k*pixels]
		for j := range n {
			// The offset moves from image to image, so that all columns have their turn.
			p := (j*pixels/n + len(r.values)/r.k*7) % pixels
			for c := range r.k {
				r.values = append(r.values, image[c*pixels+p])
			}
		}
	}
}

// plain reports whether a layer is a product of its weight with single pixels.
func plain(node *graph.Node) bool {
	w := node.Inputs[1].Const.Shape
	c, ok := node.Op.(graph.Conv)
	return !ok || c.Group == 1 && w[2] == 1 && w[3] == 1
}

// compensate rounds the weights again, one input channel after the other, each time
// changing those not rounded yet so that they make up for the error in the layer's output
// (GPTQ, arXiv 2210.17323). The result replaces the nearest integers where the output
// error over the quantized rows is less.
func compensate(ctx context.Context, node *graph.Node, q *integers, r *rows, x quantizer) error {
	k := r.k
	if len(r.values) < 2*k {
		return nil
	}
	seen := make([]float32, len(r.values))
	for i, v := range r.values {
		seen[i] = float32(int(x.quantize(float64(v)))-int(x.zero)) * x.scale
	}
	h, err := gram(ctx, seen, k)
	if err != nil {
		return err
	}
	u, ok := inverseFactor(h, k)
	if !ok {
		return nil
	}
	w := node.Inputs[1].Const.Float32s()
	row, d := make([]float64, k), make([]float64, k)
	trial := make([]int8, k)
	for o, scale := range q.scales {
		s := float64(scale)
		old, float := q.values[o*k:][:k], w[o*k:][:k]
		for i, v := range float {
			row[i] = float64(v)
		}
		for i := range row {
			level := min(max(math.RoundToEven(row[i]/s), -127), 127)
			trial[i] = int8(level)
			f := u[i*k:][:k]
			e := (row[i] - level*s) / f[i]
			rest := row[i+1:]
			for j, v := range f[i+1:] {
				rest[j] -= e * v
			}
		}
		if outputError(float, trial, s, h, d) < outputError(float, old, s, h, d) {
			copy(old, trial)
		}
	}
	return ctx.Err()
}

// outputError is d·H·dᵀ for a row's error d and the inputs' Gram matrix H.
func outputError(w []float32, q []int8, scale float64, h, d []float64) float64 {
	for i, v := range w {
		d[i] = float64(v) - float64(q[i])*scale
	}
	sum := 0.0
	for i, e := range d {
		sum += e * dot(h[i*len(d):][:len(d)], d)
	}
	return sum
}
