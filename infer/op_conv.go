package infer

import (
	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer/internal/kernel"
)

var convLowering = opLowering{
	lower:   lowers((*lowering).conv),
	integer: (*lowering).integerLinear,
	takes:   (*lowering).takesLinear,
	packs:   always,
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
	three := c.Dilation() == [2]int{1, 1} && s[2] == 3 && s[3] == 3 && c.Pads == [4]int{1, 1, 1, 1} && c.Strides[0] == c.Strides[1] && c.Strides[0] <= 2
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
	case three && c.Group == 1 && c.Strides[0] == 1 && kernel.WinogradPays(s[1], s[0]):
		o := &winogradOp{opBase: b, w: l.w.get(formWinograd, w, bias)}
		l.epilogue(&o.opBase, &o.act, nil)
		return o, nil
	case three && c.Group == 1:
		d := &denseOp{opBase: b, w: l.w.get(formPatches, w, bias), stride: c.Strides[0]}
		l.epilogue(&d.opBase, &d.act, nil)
		return d, nil
	}
	if depthwise {
		d := &depthwiseNOp{opBase: b, conv: c, w: l.w.get(formTaps, w, bias), kernel: [2]int(s[2:])}
		l.epilogue(&d.opBase, &d.act, nil)
		return d, nil
	}
	o := &convOp{opBase: b, conv: c, w: l.w.grouped(formPatches, w, bias, c.Group), weight: s}
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
		d := kernel.DepthwiseN{Image: img, Kernel: o.kernel, Strides: o.conv.Strides, Dilations: o.conv.Dilation(), Pads: [2]int(o.conv.Pads[:2]),
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
				l.conv.Planar = e.data(x)
			}
			p.set.Conv3x3(&l.conv)
		}
	})
	return nil
}

// winogradOp is a dense 3×3 convolution of stride 1 and padding 1 with many channels.
type winogradOp struct {
	opBase
	w   *packed
	act kernel.Activation
}

func (o *winogradOp) plan(p *planner) error {
	x := p.value(o.in[0], chansLayout)
	out := p.result(chansLayout)
	img := image(x, out, 1)
	in, channels := x.shape[1], out.shape[1]
	scratch := kernel.WinogradScratch(in, channels)
	p.scratch = max(p.scratch, scratch)
	if !p.spend(p.threads * scratch) {
		return nil
	}
	// Every part reads all weights.
	tiles := kernel.WinogradTiles(img)
	part := min(kernel.WinogradBlock(in, channels), (tiles+p.threads-1)/p.threads)
	p.step(tiles, kernel.WinogradValues*in*channels, part, []*buffer{x, out}, func(e *exec) func(*local, int, int) {
		w := kernel.Winograd{Image: img, In: e.matrix(x), Out: e.matrix(out), W: o.w.blocks, Bias: o.w.bias, Act: o.act}
		return func(l *local, from, to int) {
			l.winograd = w
			l.winograd.From, l.winograd.To, l.winograd.Scratch = from, to, l.floats(scratch)
			p.set.Winograd(&l.winograd)
		}
	})
	return nil
}

// convOp is any other convolution: a product of patches, which are copied together.
type convOp struct {
	opBase
	conv   graph.Conv
	w      *packed // a block for each group
	weight []int   // shape
	act    kernel.Activation
}

// patchFloats is how many elements of patches are copied at a time, so that they stay in a
// core's second-level cache.
const patchFloats = 1 << 16

func (o *convOp) plan(p *planner) error {
	x := p.value(o.in[0], chansLayout)
	out := p.result(chansLayout)
	groups, k, n := o.conv.Group, elements(o.weight[1:]), o.weight[0]/o.conv.Group
	block := max(rowTile, patchFloats/k/rowTile*rowTile)
	block = min(block, kernel.Pad(out.rows, rowTile))
	ld := 0 // of the sums of one of several groups
	if groups > 1 {
		ld = kernel.Pad(n, kernel.Lanes)
	}
	scratch := block * (k + ld)
	p.scratch = max(p.scratch, scratch)
	if !p.spend(p.threads * scratch) {
		return nil
	}
	p.step(out.rows, k*o.weight[0], rowTile, []*buffer{x, out}, func(e *exec) func(*local, int, int) {
		src, dst := e.data(x), e.matrix(out)
		return func(l *local, from, to int) {
			buf := l.floats(scratch)
			for ; from < to; from += block {
				rows := min(block, to-from)
				for g := range groups {
					patches := kernel.Matrix{Data: buf[:rows*k], Rows: rows, LD: k}
					for r := range rows {
						o.patch(buf[r*k:][:k], x, src, out, from+r, g)
					}
					l.gemm = kernel.Gemm{In: patches, Out: below(dst, from), W: o.w.blocks[g], Act: o.act, To: rows}
					if groups == 1 {
						p.set.Gemm(&l.gemm)
						continue
					}
					sums := buf[block*k:][:rows*ld]
					l.gemm.Out = kernel.Matrix{Data: sums, Rows: rows, LD: ld}
					p.set.Gemm(&l.gemm)
					for r := range rows {
						copy(dst.Data[(from+r)*dst.LD+g*n:][:n], sums[r*ld:])
					}
				}
				if groups > 1 {
					clearPadding(out, dst.Data, from, from+rows)
				}
			}
		}
	})
	return nil
}

// patch copies what output pixel r, counted over all images, reads of a group's channels:
// kernel rows, columns, channels.
func (o *convOp) patch(to []float32, x *buffer, src []float32, out *buffer, r, group int) {
	n, y, v := r/(out.shape[2]*out.shape[3]), r/out.shape[3]%out.shape[2], r%out.shape[3]
	cin, height, width, dilation := o.weight[1], x.shape[2], x.shape[3], o.conv.Dilation()
	for ky := range o.weight[2] {
		iy := y*o.conv.Strides[0] + ky*dilation[0] - o.conv.Pads[0]
		for kx := range o.weight[3] {
			ix := v*o.conv.Strides[1] + kx*dilation[1] - o.conv.Pads[1]
			pixel := to[(ky*o.weight[3]+kx)*cin:][:cin]
			if iy < 0 || iy >= height || ix < 0 || ix >= width {
				clear(pixel)
				continue
			}
			copy(pixel, src[((n*height+iy)*width+ix)*x.ld+group*cin:])
		}
	}
}
