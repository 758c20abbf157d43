package infer

import (
	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer/internal/kernel"
)

var convTransposeLowering = opLowering{
	lower: lowers((*lowering).convTranspose),
	packs: always,
}

func (l *lowering) convTranspose(b opBase, c graph.ConvTranspose) (operator, error) {
	w, bias, err := l.parameters(b.node)
	if err != nil {
		return nil, err
	}
	o := &convTransposeOp{opBase: b, conv: c, kernel: [2]int(w.Shape[2:])}
	o.tiles = o.kernel == c.Strides && c.Dilation() == [2]int{1, 1} && c.Pads == [4]int{} && c.OutputPadding == [2]int{}
	if o.tiles {
		l.epilogue(&o.opBase, &o.act, nil)
	} else if o.bias = make([]float32, kernel.Pad(w.Shape[1]*c.Group, kernel.Lanes)); bias != nil {
		copy(o.bias, bias.Float32s())
		bias = nil
	}
	o.w = l.w.grouped(formTransposed, w, bias, c.Group)
	return o, nil
}

// convTransposeOp is ConvTranspose: for each tap of the kernel a product of the pixels and a
// matrix, whose rows go to output pixels a stride apart.
type convTransposeOp struct {
	opBase
	conv   graph.ConvTranspose
	kernel [2]int
	w      *packed // a block for each tap
	// tiles is set where each output pixel is of one tap. Else the products are added to the
	// bias, padded.
	tiles bool
	bias  []float32
	act   kernel.Activation
}

func (o *convTransposeOp) plan(p *planner) error {
	x := p.value(o.in[0], chansLayout)
	out := p.result(chansLayout)
	height, width, rows, columns := x.shape[2], x.shape[3], out.shape[2], out.shape[3]
	stride, dilation := o.conv.Strides, o.conv.Dilation()
	w := o.w.blocks[0]
	p.step(out.shape[0]*rows, (o.kernel[0]+stride[0]-1)/stride[0]*o.kernel[1]*width*w.K*w.N, 1, []*buffer{x, out}, func(e *exec) func(*local, int, int) {
		src, dst := e.data(x), e.data(out)
		return func(l *local, from, to int) {
			for r := from; r < to; r++ {
				line := dst[r*columns*out.ld:][:columns*out.ld]
				for at := 0; at < len(line) && !o.tiles; at += out.ld {
					copy(line[at:], o.bias)
				}
				for i := range o.kernel[0] {
					y := r%rows + o.conv.Pads[0] - i*dilation[0] // times the stride
					if y < 0 || y%stride[0] != 0 || y/stride[0] >= height {
						continue
					}
					in := src[(r/rows*height+y/stride[0])*width*x.ld:][:width*x.ld]
					for j := range o.kernel[1] {
						// Pixel v goes to column v·stride + first.
						first := j*dilation[1] - o.conv.Pads[1]
						begin, end := 0, min(width, (columns-1-first+stride[1])/stride[1])
						if first < 0 {
							begin = (-first + stride[1] - 1) / stride[1]
						}
						if first >= columns || begin >= end {
							continue
						}
						target := kernel.Matrix{Data: line[(begin*stride[1]+first)*out.ld:], Rows: end - begin, LD: stride[1] * out.ld}
						l.gemm = kernel.Gemm{In: kernel.Matrix{Data: in[begin*x.ld:], Rows: end - begin, LD: x.ld}, Out: target, W: o.w.blocks[i*o.kernel[1]+j], Act: o.act, To: end - begin}
						if !o.tiles {
							l.gemm.Residual = target
						}
						p.set.Gemm(&l.gemm)
					}
				}
			}
		}
	})
	return nil
}
