package infer

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer/internal/kernel"
	"github.com/repvit-go/repvit/internal/panics"
)

// weights holds the packed weights of a graph, which all its sessions share. Packing is
// put off to [weights.pack], which does it on all cores.
type weights struct {
	set    *kernel.Float32
	set8   *kernel.Int8
	budget graph.Budget

	mu    sync.Mutex // held while a graph is lowered
	packs map[packKey]*packed
	jobs  []func()
	bytes atomic.Int64 // of all packed weights; sessions look at it meanwhile
}

// packKey tells packed weights apart: the same tensor can be packed for several kernels.
type packKey struct {
	weight, bias *graph.Tensor
	form         form
	groups       int
}

// form is the kernel that weights are packed for.
type form uint8

const (
	formGemm       form = iota // rows of output channels
	formColumns                // the same, packed in blocks of output channels
	formMatMul                 // rows of input channels
	formPatches                // kernel rows, columns, channels; a block for each group
	formWinograd               // kernel.Winograd
	formTransposed             // a block for each tap of ConvTranspose
	formTaps3x3                // kernel.Depthwise
	formTaps                   // kernel.DepthwiseN
)

// packed is a weight for one kernel.
type packed struct {
	blocks []*kernel.Packed // Gemm, Conv3x3, Winograd
	taps   []float32        // depthwise convolutions
	bias   []float32        // theirs, and Winograd's
}

// columnBlock is the number of output channels in a block of formColumns: products with
// few rows are split between threads by output channels instead of rows.
const columnBlock = 128

func newWeights(set *kernel.Float32, set8 *kernel.Int8, budget graph.Budget) *weights {
	return &weights{set: set, set8: set8, budget: budget, packs: map[packKey]*packed{}}
}

// get returns the packed form of a weight and its bias, which may be nil; it can be used
// after the next call of pack.
func (w *weights) get(f form, weight, bias *graph.Tensor) *packed {
	return w.grouped(f, weight, bias, 1)
}

// grouped is get for a convolution in groups.
func (w *weights) grouped(f form, weight, bias *graph.Tensor, groups int) *packed {
	key := packKey{weight, bias, f, groups}
	if p, ok := w.packs[key]; ok {
		return p
	}
	p := &packed{}
	w.packs[key] = p
	var b []float32
	if bias != nil {
		b = bias.Float32s()
	}
	s := weight.Shape
	switch f {
	case formGemm, formColumns:
		n := s[0]
		k := elements(s[1:])
		step := n
		if f == formColumns {
			step = columnBlock
		}
		for from := 0; from < n; from += step {
			to := min(from+step, n)
			i := len(p.blocks)
			p.blocks = append(p.blocks, nil)
			w.job(func() {
				var part []float32
				if b != nil {
					part = b[from:to]
				}
				p.blocks[i] = w.set.Pack(weight.Float32s()[from*k:to*k], to-from, k, part)
			})
			w.bytes.Add(int64(4 * (kernel.Pad(to-from, kernel.Lanes) * (k + 1))))
		}
	case formMatMul:
		k, n := s[0], s[1]
		p.blocks = []*kernel.Packed{nil}
		w.job(func() { p.blocks[0] = w.set.Pack(transposed(weight.Float32s(), k, n), n, k, b) })
		w.bytes.Add(int64(4 * (kernel.Pad(n, kernel.Lanes) * (k + 1))))
	case formPatches:
		w.patches(p, weight, b, groups)
	case formWinograd:
		w.winograd(p, weight, b)
	case formTransposed:
		w.transposed(p, weight, b, groups)
	case formTaps3x3, formTaps:
		// taps[tap][input channel of the group][output channel]
		ld := kernel.Pad(s[0], kernel.Lanes)
		taps := s[2] * s[3]
		w.bytes.Add(int64(4 * (taps*s[1] + 1) * ld))
		w.job(func() {
			p.taps, p.bias = kernel.Floats(taps*s[1]*ld), kernel.Floats(ld)
			copy(p.bias, b)
			v := weight.Float32s()
			for o := range s[0] {
				for c := range s[1] {
					for t := range taps {
						p.taps[(t*s[1]+c)*ld+o] = v[(o*s[1]+c)*taps+t]
					}
				}
			}
		})
	}
	return p
}

// patches packs the weight of a convolution for patches, whose order is kernel rows, columns,
// channels.
func (w *weights) patches(p *packed, weight *graph.Tensor, bias []float32, groups int) {
	s := weight.Shape
	n, taps := s[0]/groups, s[2]*s[3]
	p.blocks = make([]*kernel.Packed, groups)
	w.bytes.Add(int64(4 * groups * kernel.Pad(n, kernel.Lanes) * (taps*s[1] + 1)))
	w.job(func() {
		v := weight.Float32s()
		r := make([]float32, n*taps*s[1])
		for g := range groups {
			for o := range n {
				for c := range s[1] {
					for t := range taps {
						r[(o*taps+t)*s[1]+c] = v[((g*n+o)*s[1]+c)*taps+t]
					}
				}
			}
			var part []float32
			if bias != nil {
				part = bias[g*n:][:n]
			}
			p.blocks[g] = w.set.Pack(r, n, taps*s[1], part)
		}
	})
}

// winograd packs the weight of a dense 3×3 convolution for kernel.Winograd.
func (w *weights) winograd(p *packed, weight *graph.Tensor, bias []float32) {
	n, k := weight.Shape[0], weight.Shape[1]
	w.bytes.Add(int64(4 * kernel.Pad(n, kernel.Lanes) * (kernel.WinogradValues*(k+1) + 1)))
	w.job(func() {
		p.bias = kernel.Floats(kernel.Pad(n, kernel.Lanes))
		copy(p.bias, bias)
		for _, v := range kernel.WinogradWeights(weight.Float32s(), n, k) {
			p.blocks = append(p.blocks, w.set.Pack(v, n, k, nil))
		}
	})
}

// transposed packs the weight of a transposed convolution, a matrix for each tap. Channels of
// other groups have zeros.
func (w *weights) transposed(p *packed, weight *graph.Tensor, bias []float32, groups int) {
	s := weight.Shape
	k, each, taps := s[0], s[1], s[2]*s[3]
	n := each * groups
	p.blocks = make([]*kernel.Packed, taps)
	w.bytes.Add(int64(4 * taps * kernel.Pad(n, kernel.Lanes) * (k + 1)))
	w.job(func() {
		v := weight.Float32s()
		for t := range taps {
			r := make([]float32, n*k)
			for c := range k {
				first := c / (k / groups) * each
				for o := range each {
					r[(first+o)*k+c] = v[(c*each+o)*taps+t]
				}
			}
			p.blocks[t] = w.set.Pack(r, n, k, bias)
		}
	})
}

func (w *weights) job(f func()) { w.jobs = append(w.jobs, f) }

// pack does what get put off.
func (w *weights) pack(threads int) error {
	jobs := w.jobs
	w.jobs = nil
	next := make(chan func(), len(jobs))
	for _, j := range slices.Backward(jobs) { // the largest layers come last in a network
		next <- j
	}
	close(next)
	var g errgroup.Group
	for range max(1, min(threads, runtime.GOMAXPROCS(0), len(jobs))) {
		g.Go(func() (err error) {
			defer panics.Catch(&err, ErrPanic)
			for j := range next {
				j()
			}
			return nil
		})
	}
	return g.Wait()
}

// transposed returns the n×k transpose of a k×n matrix.
func transposed[T any](v []T, k, n int) []T {
	t := make([]T, len(v))
	for i := range k {
		for o, x := range v[i*n:][:n] {
			t[o*k+i] = x
		}
	}
	return t
}

// elements is the product of axes whose tensor exists, so that it cannot overflow.
func elements(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}
