package infer

import (
	"slices"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer/internal/kernel"
)

// attentionOp is softmax(q·kᵀ)·v of several heads ("Attention Is All You Need", arXiv 1706.03762), for
// q N×T×C and k and v N×S×C, whose columns are the heads' one after the other. The heads' matrices are
// narrow, and few tokens look at many pixels or the other way round: products are made of several heads
// at once, with zeros where a head meets another.
type attentionOp struct {
	opBase
	heads int
}

// findAttention finds the nodes that are an attention, which the last of them then is.
func (l *lowering) findAttention() {
	for _, n := range l.g.Nodes {
		if op, ok := n.Op.(graph.Softmax); ok && (op.Axis == 0 || op.Axis == -1) {
			if a := l.attentionOf(n); a != nil {
				last := a.nodes[len(a.nodes)-1]
				l.last[last] = a
				for _, m := range a.nodes[:len(a.nodes)-1] {
					l.fused[m] = true
				}
			}
		}
	}
}

// attentionOf returns the attention around a Softmax; nil where there is none.
func (l *lowering) attentionOf(softmax *graph.Node) *attentionOp {
	a := &attentionOp{}
	private := func(v *graph.Value) *graph.Node {
		if i, ok := l.index[v]; ok && l.next(v) != nil {
			return l.g.Nodes[i]
		}
		return nil
	}
	// head returns what a value is, of which each head has a part, before it was divided.
	head := func(v *graph.Value, perm ...int) *graph.Value {
		t := private(v)
		if t == nil {
			return nil
		}
		r := private(t.Inputs[0])
		if op, ok := t.Op.(graph.Transpose); !ok || !slices.Equal(op.Perm, perm) || r == nil {
			return nil
		}
		op, ok := r.Op.(graph.Reshape)
		x := l.types[r.Inputs[0]].Shape
		if !ok || len(op.Shape) != 4 || len(x) != 3 || op.Shape[0] != 0 || op.Shape[1] != 0 || op.Shape[2] < 1 || op.Shape[3] < 1 ||
			a.heads != 0 && a.heads != op.Shape[2] || x[2] != graph.Fixed(op.Shape[2]*op.Shape[3]) || l.types[v].DType != graph.Float32 {
			return nil
		}
		a.heads = op.Shape[2]
		a.nodes = append(a.nodes, r, t)
		return r.Inputs[0]
	}
	scores := private(softmax.Inputs[0])
	sums := l.next(softmax.Output)
	if scores == nil || sums == nil || sums.Inputs[0] != softmax.Output {
		return nil
	}
	for _, n := range []*graph.Node{scores, sums} {
		if _, ok := n.Op.(graph.MatMul); !ok {
			return nil
		}
	}
	for _, in := range []*graph.Value{head(scores.Inputs[0], 0, 2, 1, 3), head(scores.Inputs[1], 0, 2, 3, 1), head(sums.Inputs[1], 0, 2, 1, 3)} {
		if in == nil {
			return nil
		}
		a.in = append(a.in, in)
	}
	turned := l.next(sums.Output)
	if turned == nil {
		return nil
	}
	joined := l.next(turned.Output)
	if op, ok := turned.Op.(graph.Transpose); !ok || !slices.Equal(op.Perm, []int{0, 2, 1, 3}) || joined == nil {
		return nil
	}
	if op, ok := joined.Op.(graph.Reshape); !ok || !slices.Equal(op.Shape, []int{0, 0, l.types[a.in[2]].Shape[2].Size}) {
		return nil
	}
	a.nodes = append(a.nodes, scores, softmax, sums, turned, joined)
	a.kind, a.node, a.out = "Attention", scores, joined.Output
	return a
}

// A product's columns are at most so many, where tokens are many, and the rows that are worked on at a
// time.
const (
	attentionColumns = 64
	attentionRows    = 6 * rowTile
)

// together returns how many heads of a width, and of another in v, are taken at once: their columns begin at
// a multiple of [kernel.Lanes], and with so many tokens a head there is no room for more.
func (o *attentionOp) together(width, widthV, tokens int) int {
	fits := func(g int) bool {
		return o.heads%g == 0 && (g == o.heads || g*width%kernel.Lanes == 0 && g*widthV%kernel.Lanes == 0)
	}
	g := 1
	for !fits(g) {
		g++
	}
	for 2*g <= o.heads && fits(2*g) && 2*g*tokens <= kernel.Lanes {
		g *= 2
	}
	return g
}

func (o *attentionOp) plan(p *planner) error {
	q, k, v := p.value(o.in[0], rowsLayout), p.value(o.in[1], rowsLayout), p.value(o.in[2], rowsLayout)
	out := p.result(rowsLayout)
	if k.shape[1] <= attentionColumns {
		return o.toFew(p, q, k, v, out)
	}
	return o.toMany(p, q, k, v, out)
}

// toFew plans the attention of any number of rows to few: each row by itself.
func (o *attentionOp) toFew(p *planner, q, k, v, out *buffer) error {
	tokens := k.shape[1]
	width, widthV := q.cols/o.heads, v.cols/o.heads
	g := o.together(width, widthV, tokens)
	groups, columns := o.heads/g, g*tokens
	ld, ldV := kernel.Pad(columns, kernel.Lanes), kernel.Pad(g*widthV, kernel.Lanes)
	sizeK, sizeV := g*width*ld, columns*ldV
	batch := max(k.shape[0], v.shape[0])
	if !p.spend(max(ld, ldV)) {
		return nil
	}
	bias := kernel.Floats(max(ld, ldV))
	keys, values := newBuffer([]int{batch * groups, sizeK}, rowsLayout), newBuffer([]int{batch * groups, sizeV}, rowsLayout)
	p.allocate(keys)
	p.allocate(values)
	p.scratch = max(p.scratch, sizeK, sizeV, (attentionRows+1)*ld)
	p.step(batch*groups, sizeK+sizeV, 1, []*buffer{k, v, keys, values}, func(e *exec) func(*local, int, int) {
		return func(l *local, from, to int) {
			src, srcV := e.data(k), e.data(v)
			packedK, packedV := e.data(keys), e.data(values)
			for i := from; i < to; i++ {
				b, first := i/groups, i%groups*g
				m := l.floats(sizeK)
				clear(m)
				for h := range g {
					for t := range tokens {
						row := src[(b%k.shape[0]*tokens+t)*k.ld+(first+h)*width:][:width]
						for j, x := range row {
							m[(h*width+j)*ld+h*tokens+t] = x
						}
					}
				}
				l.packed[0] = kernel.Packed{K: g * width, N: columns, B: packedK[i*keys.ld:][:sizeK], Bias: bias}
				p.set.PackRows(&l.packed[0], kernel.Matrix{Data: m, Rows: g * width, LD: ld})
				m = l.floats(sizeV)
				clear(m)
				for h := range g {
					for t := range tokens {
						copy(m[(h*tokens+t)*ldV+h*widthV:][:widthV], srcV[(b%v.shape[0]*tokens+t)*v.ld+(first+h)*widthV:])
					}
				}
				l.packed[0] = kernel.Packed{K: columns, N: g * widthV, B: packedV[i*values.ld:][:sizeV], Bias: bias}
				p.set.PackRows(&l.packed[0], kernel.Matrix{Data: m, Rows: columns, LD: ldV})
			}
		}
	})
	rows := q.shape[1]
	p.step(out.rows, (width+widthV)*ld*groups*g, rowTile, []*buffer{q, keys, values, out}, func(e *exec) func(*local, int, int) {
		return func(l *local, from, to int) {
			src, dst, packedK, packedV := e.data(q), e.data(out), e.data(keys), e.data(values)
			scores := l.floats((attentionRows + 1) * ld)
			room := scores[attentionRows*ld:]
			for from < to {
				b := from / rows
				end := min(to, (b+1)*rows, from+attentionRows)
				at := (b%q.shape[0]*rows + from%rows) * q.ld
				for i := range groups {
					w := b%batch*groups + i
					l.packed[0] = kernel.Packed{K: g * width, N: columns, B: packedK[w*keys.ld:][:sizeK], Bias: bias}
					l.packed[1] = kernel.Packed{K: columns, N: g * widthV, B: packedV[w*values.ld:][:sizeV], Bias: bias}
					l.gemm = kernel.Gemm{In: kernel.Matrix{Data: src[at+i*g*width:], Rows: end - from, LD: q.ld}, Out: kernel.Matrix{Data: scores, Rows: end - from, LD: ld}, W: &l.packed[0], To: end - from}
					p.set.Gemm(&l.gemm)
					headSoftmax(p.set, l.gemm.Out, g, tokens, room)
					l.gemm = kernel.Gemm{In: kernel.Matrix{Data: scores, Rows: end - from, LD: ld}, Out: kernel.Matrix{Data: dst[from*out.ld+i*g*widthV:], Rows: end - from, LD: out.ld}, W: &l.packed[1], To: end - from}
					p.set.Gemm(&l.gemm)
				}
				from = end
			}
		}
	})
	return nil
}

// toMany plans the attention to many rows: some heads and tokens at a time.
func (o *attentionOp) toMany(p *planner, q, k, v, out *buffer) error {
	tokens, rows := q.shape[1], k.shape[1]
	width, widthV := q.cols/o.heads, v.cols/o.heads
	g := o.together(width, widthV, tokens)
	chunk := min(tokens, max(attentionColumns/g, 1))
	chunks, groups, columns := (tokens+chunk-1)/chunk, o.heads/g, g*chunk
	ld, ldV, ldT := kernel.Pad(columns, kernel.Lanes), kernel.Pad(g*widthV, kernel.Lanes), kernel.Pad(rows, kernel.Lanes)
	// Scratch: tokens as a matrix and packed, scores, the same transposed, values packed, sums.
	sizes := [...]int{g * width * ld, g * width * ld, rows * ld, columns * ldT, rows * ldV, columns * ldV, 3 * ld}
	need := 0
	for _, n := range sizes {
		need += n
	}
	if !p.spend(max(ld, ldV) + p.threads*need) {
		return nil
	}
	bias := kernel.Floats(max(ld, ldV))
	p.scratch = max(p.scratch, need)
	p.step(out.shape[0]*chunks*groups, rows*(g*width*ld+columns*ldV), 1, []*buffer{q, k, v, out}, func(e *exec) func(*local, int, int) {
		return func(l *local, from, to int) {
			src, srcK, srcV, dst := e.data(q), e.data(k), e.data(v), e.data(out)
			var part [len(sizes)][]float32
			rest := l.floats(need)
			for i, n := range sizes {
				part[i], rest = rest[:n], rest[n:]
			}
			matrix, packed, scores, turned, values, sums, tops := part[0], part[1], part[2], part[3], part[4], part[5], part[6]
			for i := from; i < to; i++ {
				b, first, start := i/(chunks*groups), i%groups*g, i/groups%chunks*chunk
				count := min(chunk, tokens-start)
				clear(matrix)
				for h := range g {
					for t := range count {
						row := src[(b%q.shape[0]*tokens+start+t)*q.ld+(first+h)*width:][:width]
						for j, x := range row {
							matrix[(h*width+j)*ld+h*chunk+t] = x
						}
					}
				}
				l.packed[0] = kernel.Packed{K: g * width, N: columns, B: packed, Bias: bias}
				p.set.PackRows(&l.packed[0], kernel.Matrix{Data: matrix, Rows: g * width, LD: ld})
				l.gemm = kernel.Gemm{In: kernel.Matrix{Data: srcK[b%k.shape[0]*rows*k.ld+first*width:], Rows: rows, LD: k.ld}, Out: kernel.Matrix{Data: scores, Rows: rows, LD: ld}, W: &l.packed[0], To: rows}
				p.set.Gemm(&l.gemm)
				columnSoftmax(p.set, turned, l.gemm.Out, tops, columns, ldT)
				l.packed[1] = kernel.Packed{K: rows, N: g * widthV, B: values, Bias: bias}
				p.set.PackRows(&l.packed[1], kernel.Matrix{Data: srcV[b%v.shape[0]*rows*v.ld+first*widthV:], Rows: rows, LD: v.ld})
				l.gemm = kernel.Gemm{In: kernel.Matrix{Data: turned, Rows: columns, LD: ldT}, Out: kernel.Matrix{Data: sums, Rows: columns, LD: ldV}, W: &l.packed[1], To: columns}
				p.set.Gemm(&l.gemm)
				for h := range g {
					for t := range count {
						c := h*chunk + t
						to := dst[(b*tokens+start+t)*out.ld+(first+h)*widthV:][:widthV]
						for j, x := range sums[c*ldV+h*widthV:][:widthV] {
							to[j] = x / tops[ld+c]
						}
					}
				}
				if g == o.heads {
					clearPadding(out, dst, b*tokens+start, b*tokens+start+count)
				}
			}
		}
	})
	return nil
}

// columnSoftmax writes eˣ of each column of a matrix, shifted by its maximum, to a row of another, and
// their sums to sums[ld:], which is room for three rows. The first matrix becomes those powers.
func columnSoftmax(set *kernel.Float32, dst []float32, src kernel.Matrix, sums []float32, columns, ldT int) {
	const block = 64 // rows that stay in the first-level cache
	ld := src.LD
	row := func(r int) []float32 { return src.Data[r*ld:][:ld] }
	top, sum, part := sums[:ld], sums[ld:][:ld], sums[2*ld:][:ld]
	copy(top, row(0))
	for r := 1; r < src.Rows; r++ {
		set.MaxInto(top, row(r))
	}
	clear(sum)
	for from := 0; from < src.Rows; from += block {
		to := min(from+block, src.Rows)
		for r := from; r < to; r++ {
			set.AddScaled(row(r), top, -1)
		}
		set.Apply(src.Data[from*ld:to*ld], kernel.Exp)
		clear(part) // sums of sums lose less
		for r := from; r < to; r++ {
			set.AddInto(part, row(r))
		}
		set.AddInto(sum, part)
		set.ToPlanar(dst, src, columns, ldT, from, to)
	}
}

// headSoftmax makes probabilities of each row's scores, of so many tokens for each of some heads. Room is
// for a row.
func headSoftmax(set *kernel.Float32, x kernel.Matrix, heads, tokens int, room []float32) {
	for r := range x.Rows {
		row := x.Data[r*x.LD:][:x.LD]
		for h := range heads {
			part := row[h*tokens:][:tokens]
			top := part[0]
			for _, v := range part[1:] {
				top = max(top, v)
			}
			for t := range tokens {
				room[h*tokens+t] = top
			}
		}
		set.AddScaled(row[:heads*tokens], room, -1)
	}
	set.Apply(x.Data[:x.Rows*x.LD], kernel.Exp)
	for r := range x.Rows {
		for h := range heads {
			part := x.Data[r*x.LD+h*tokens:][:tokens]
			var sum float32
			for _, v := range part {
				sum += v
			}
			factor := 1 / sum
			for t := range part {
				part[t] *= factor
			}
		}
	}
}
