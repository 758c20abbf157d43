package infer

import (
	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer/internal/kernel"
)

var convLowering = opLowering{
	lower:   lowers((*lowering).conv),
	integer: (*lowering).integerLinear,
	takes:   (*lowering).takesLinear,
	packs:   true,
}

// conv chooses the kernel for a convolution.
func (l *lowering) conv(b opBase, c graph.Conv) (operator, error) {
	w, bias, err := l.parameters(b.node)
	if err != nil {
		return nil, err
	}
	s := w.Shape
	x := l.types[b.in[0]].Shape
	point := s[2] == 1 && s[3] == 1 && c.Strides == [2]int{1, 1} && c.Pads == [4]int{}
	depthwise := c.Group == s[0] && s[1] == 1
	three := s[2] == 3 && s[3] == 3 && c.Pads == [4]int{1, 1, 1, 1} && c.Strides[0] == c.Strides[1] && c.Strides[0] <= 2
	switch {
	case point && c.Group == 1:
		f := formGemm
		if one := graph.Fixed(1); x[2] == one && x[3] == one {
			f = formColumns
		}
		g := &gemmOp{opBase: b, layout: chansLayout, w: l.w.get(f, w, bias)}
		l.epilogue(&g.opBase, &g.act, &g.residual)
		if f == formGemm && g.residual == nil {
			if m := l.mixer(g); m != nil {
				return m, nil
			}
		}
		return g, nil
	case point && depthwise:
		scale := w.Float32s()
		shift := make([]float32, len(scale))
		if bias != nil {
			shift = bias.Float32s()
		}
		a := &affineOp{opBase: b, scale: pad(scale), shift: pad(shift)}
		l.epilogue(&a.opBase, &a.act, nil)
		return a, nil
	case three && depthwise:
		d := &depthwiseOp{opBase: b, w: l.w.get(formTaps3x3, w, bias), stride: c.Strides[0]}
		l.epilogue(&d.opBase, &d.act, nil)
		return d, nil
	case three && c.Group == 1:
		d := &denseOp{opBase: b, w: l.w.get(formDense3x3, w, bias), stride: c.Strides[0]}
		l.epilogue(&d.opBase, &d.act, nil)
		return d, nil
	}
	if depthwise {
		d := &depthwiseNOp{opBase: b, conv: c, w: l.w.get(formTaps, w, bias), kernel: [2]int(s[2:])}
		l.epilogue(&d.opBase, &d.act, nil)
		return d, nil
	}
	o := &convOp{opBase: b, conv: c, w: l.w.get(formTaps, w, bias), weight: s}
	l.epilogue(&o.opBase, &o.act, nil)
	return o, nil
}

// mixer fuses a 1×1 convolution with the one behind it, if only that reads it.
func (l *lowering) mixer(expand *gemmOp) operator {
	n := l.next(expand.out)
	if n == nil || l.w.set.Mixer == nil {
		return nil
	}
	c, ok := n.Op.(graph.Conv)
	if !ok || n.Inputs[0] != expand.out || c.Group != 1 || c.Strides != [2]int{1, 1} || c.Pads != [4]int{} {
		return nil
	}
	w, bias, err := l.parameters(n)
	if err != nil || w.Shape[2] != 1 || w.Shape[3] != 1 {
		return nil
	}
	m := &mixerOp{opBase: expand.opBase, act: expand.act, expand: expand.w, project: l.w.get(formGemm, w, bias)}
	l.absorb(&m.opBase, n)
	identity := kernel.Activation(kernel.Identity)
	if next := l.next(m.out); next != nil {
		if _, ok := next.Op.(graph.Add); ok {
			l.epilogue(&m.opBase, &identity, &m.residual)
		}
	}
	return m
}

// mixerOp is two 1×1 convolutions with an activation between them.
type mixerOp struct {
	opBase
	expand, project *packed
	act             kernel.Activation
	residual        *graph.Value
}

func (o *mixerOp) plan(p *planner) error {
	x := p.value(o.in[0], chansLayout)
	var res *buffer
	if o.residual != nil {
		res = p.value(o.residual, chansLayout)
	}
	// In place where input and residual are one value: tiles are read before written.
	out := p.result(chansLayout, res, x)
	expand, project := o.expand.blocks[0], o.project.blocks[0]
	scratch := kernel.MixerScratch(expand.N)
	p.scratch = max(p.scratch, scratch)
	weights := expand.K*expand.N + project.K*project.N
	p.step(x.rows, weights, p.rowsPerPart(x.rows, weights), []*buffer{x, res, out}, func(e *exec) func(*local, int, int) {
		m := kernel.Mixer{In: e.matrix(x), Out: e.matrix(out), Residual: e.matrix(res), Expand: expand, Project: project, Act: o.act}
		return func(l *local, from, to int) {
			l.mixer = m
			l.mixer.From, l.mixer.To, l.mixer.Scratch = from, to, l.floats(scratch)
			p.set.Mixer(&l.mixer)
		}
	})
	return nil
}

// depthwiseOp is a depthwise 3×3 convolution with padding 1.
type depthwiseOp struct {
	opBase
	w      *packed
	stride int
	act    kernel.Activation
}

func (o *depthwiseOp) plan(p *planner) error {
	x := p.value(o.in[0], chansLayout)
	out := p.result(chansLayout)
	img := image(x, out, o.stride)
	p.step(img.N*img.HO, 9*img.WO*x.ld, 2, []*buffer{x, out}, func(e *exec) func(*local, int, int) {
		d := kernel.Depthwise{Image: img, In: e.matrix(x), Out: e.matrix(out), Taps: o.w.taps, Bias: o.w.bias, Act: o.act}
		return func(l *local, from, to int) {
			l.depthwise = d
			l.depthwise.From, l.depthwise.To = from, to
			p.set.Depthwise(&l.depthwise)
		}
	})
	return nil
}

func image(x, out *buffer, stride int) kernel.Image {
	return kernel.Image{N: x.shape[0], H: x.shape[2], W: x.shape[3], HO: out.shape[2], WO: out.shape[3], Stride: stride}
}

// depthwiseNOp is any other depthwise convolution.
type depthwiseNOp struct {
	opBase
	conv   graph.Conv
	w      *packed
	kernel [2]int
	act    kernel.Activation
}

func (o *depthwiseNOp) plan(p *planner) error {
	x := p.value(o.in[0], chansLayout)
	out := p.result(chansLayout)
	img := image(x, out, 0)
	p.step(img.N*img.HO, elements(o.kernel[:])*img.WO*x.ld, 1, []*buffer{x, out}, func(e *exec) func(*local, int, int) {
		d := kernel.DepthwiseN{Image: img, Kernel: o.kernel, Strides: o.conv.Strides, Pads: [2]int(o.conv.Pads[:2]),
			In: e.matrix(x), Out: e.matrix(out), Taps: o.w.taps, Bias: o.w.bias, Act: o.act}
		return func(l *local, from, to int) {
			l.depthwiseN = d
			l.depthwiseN.From, l.depthwiseN.To = from, to
			p.set.DepthwiseN(&l.depthwiseN)
		}
	})
	return nil
}

// denseOp is a dense 3×3 convolution with padding 1.
type denseOp struct {
	opBase
	w      *packed
	stride int
	act    kernel.Activation
}

func (o *denseOp) plan(p *planner) error {
	x := p.any(o.in[0])
	planar := x.store == nil && x.fixed == nil // the run's input, read in place
	if !planar {
		x = p.value(o.in[0], chansLayout)
	}
	out := p.result(chansLayout)
	img := image(x, out, o.stride)
	w := o.w.blocks[0]
	p.step(img.N*img.HO, img.WO*w.K*w.N, 1, []*buffer{x, out}, func(e *exec) func(*local, int, int) {
		c := kernel.Conv3x3{Image: img, Cin: x.shape[1], Out: e.matrix(out), W: w, Act: o.act}
		if !planar {
			c.In = e.matrix(x)
		}
		return func(l *local, from, to int) {
			l.conv = c
			l.conv.From, l.conv.To = from, to
			if planar {
				l.conv.Planar = e.input
			}
			p.set.Conv3x3(&l.conv)
		}
	})
	return nil
}

// convOp is any other convolution, in plain loops.
type convOp struct {
	opBase
	conv   graph.Conv
	w      *packed
	weight []int // shape
	act    kernel.Activation
}

func (o *convOp) plan(p *planner) error {
	x := p.value(o.in[0], chansLayout)
	out := p.result(chansLayout)
	work := out.shape[3] * elements(o.weight)
	p.step(out.shape[0]*out.shape[2], work, 1, []*buffer{x, out}, func(e *exec) func(*local, int, int) {
		src, dst := e.matrix(x), e.matrix(out)
		return func(_ *local, from, to int) {
			for r := from; r < to; r++ {
				o.row(x, out, src, dst, r)
			}
			p.set.Apply(dst.Data[from*out.shape[3]*dst.LD:to*out.shape[3]*dst.LD], o.act)
		}
	})
	return nil
}

// row computes output row r, counted over all images.
func (o *convOp) row(x, out *buffer, src, dst kernel.Matrix, r int) {
	n, y := r/out.shape[2], r%out.shape[2]
	cin, cout := o.weight[1], o.weight[0]/o.conv.Group
	for v := range out.shape[3] {
		acc := dst.Data[(r*out.shape[3]+v)*dst.LD:][:dst.LD]
		copy(acc, o.w.bias)
		for ky := range o.weight[2] {
			iy := y*o.conv.Strides[0] + ky - o.conv.Pads[0]
			if iy < 0 || iy >= x.shape[2] {
				continue
			}
			for kx := range o.weight[3] {
				ix := v*o.conv.Strides[1] + kx - o.conv.Pads[1]
				if ix < 0 || ix >= x.shape[3] {
					continue
				}
				in := src.Data[((n*x.shape[2]+iy)*x.shape[3]+ix)*src.LD:][:src.LD]
				taps := o.w.taps[(ky*o.weight[3]+kx)*cin*dst.LD:][:cin*dst.LD]
				for g := range o.conv.Group {
					sums := acc[g*cout:][:cout]
					for i := range cin {
						a := in[g*cin+i]
						for c, t := range taps[i*dst.LD+g*cout:][:cout] {
							sums[c] += a * t
						}
					}
				}
			}
		}
	}
}
