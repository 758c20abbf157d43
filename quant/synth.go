package quant

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/repvit-go/repvit/graph"
)

// syntheticSamples is how many inputs are made to calibrate with where none are given;
// a third as many more are held out.
const syntheticSamples = 96

// syntheticFor is how many of a size: matching keeps a whole batch's activations, some
// hundred megabytes.
func syntheticFor(h, w int) int { return min(max(syntheticSamples*64*64/(h*w), 24), syntheticSamples) }

// synthesise makes inputs to calibrate with and others to measure on, and with the training
// form the graph to run them through: see match. The graph is nil where there are no
// statistics to match.
func synthesise(ctx context.Context, training *graph.Graph, channels int, size [2]int, o Options) (calibration, held []*graph.Tensor, matched *graph.Graph, err error) {
	h, w := size[0], size[1]
	if held, err = Made(ctx, channels, h, w); err != nil {
		return nil, nil, nil, err
	}
	n := syntheticFor(h, w)
	all := make([]float32, 0, n*channels*h*w)
	for i := range n {
		all = append(all, noiseImage(uint64(i), channels, h, w)...)
		if err := ctx.Err(); err != nil {
			return nil, nil, nil, err
		}
	}
	batch := graph.Float32Tensor([]int{n, channels, h, w}, all)
	for i := range n {
		calibration = append(calibration, batch.Slice(i, i+1))
	}
	if training == nil {
		return calibration, held, nil, nil
	}
	matched, err = match(ctx, anyBatch(training), batch, o)
	return calibration, held, matched, err
}

// heldOutSeed is that of the first input that is held out.
const heldOutSeed = 1 << 32

// MadeImages returns how many images [Made] makes for an input N×C×H×W.
func MadeImages(shape []int) int {
	if len(shape) != 4 || shape[2] < 1 || shape[3] < 1 {
		return 1
	}
	return syntheticFor(shape[2], shape[3]) / 3
}

// Made returns the made-up images, 1×C×H×W each, that [Quantize] measures on where it is
// given none: random shapes and textures with the spectrum of natural images and the range
// of those that are normalised. It does not calibrate with them. The error wraps
// [ErrCalibration] for a size that is not one, or is that of ctx.
func Made(ctx context.Context, channels, height, width int) ([]*graph.Tensor, error) {
	const side, most = 1 << 14, 1 << 28
	if channels < 1 || height < 1 || width < 1 || height > side || width > side || channels > most/(height*width) {
		return nil, fmt.Errorf("%w: no inputs, and a size of %d×%d×%d to make some of, expected at most %d numbers", ErrCalibration, channels, height, width, most)
	}
	out := make([]*graph.Tensor, syntheticFor(height, width)/3)
	for i := range out {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		out[i] = graph.Float32Tensor([]int{1, channels, height, width}, noiseImage(heldOutSeed+uint64(i), channels, height, width))
	}
	return out, nil
}

// noiseImage returns 1×C×H×W random shapes and textures: a sum of value noise at octaves
// whose amplitude falls with frequency as in natural images (D. Field, 1987), with edges
// where one texture covers another.
func noiseImage(seed uint64, channels, h, w int) []float32 {
	r := rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))
	v := make([]float32, channels*h*w)
	layers := 1 + r.IntN(4)
	for l := range layers {
		var mask []float64
		if l > 0 {
			mask = octaves(r, h, w, 1.5)
		}
		level := r.NormFloat64() * 0.3
		shared := octaves(r, h, w, r.Float64()*1.5)
		for c := range channels {
			own := octaves(r, h, w, r.Float64()*1.5)
			mean, gain, mix := r.NormFloat64()*1.2, r.ExpFloat64(), r.Float64()
			for i := range own {
				if mask == nil || mask[i] > level {
					x := mean + gain*(mix*own[i]+(1-mix)*shared[i])
					v[c*h*w+i] = float32(min(max(x, -2.2), 2.7))
				}
			}
		}
	}
	return v
}

// octaves returns noise of deviation one whose amplitude at frequency f is f^−slope.
func octaves(r *rand.Rand, h, w int, slope float64) []float64 {
	out := make([]float64, h*w)
	for cell, amp := max(h, w), 1.0; cell >= 1; cell, amp = cell/2, amp*math.Exp2(-slope) {
		gh, gw := h/cell+2, w/cell+2
		grid := make([]float64, gh*gw)
		for i := range grid {
			grid[i] = r.NormFloat64() * amp
		}
		oy, ox := r.Float64(), r.Float64()
		for y := range h {
			fy := float64(y)/float64(cell) + oy*0.999
			iy := min(int(fy), gh-2)
			ty := fy - float64(iy)
			for x := range w {
				fx := float64(x)/float64(cell) + ox*0.999
				ix := min(int(fx), gw-2)
				tx := fx - float64(ix)
				g := grid[iy*gw+ix:]
				out[y*w+x] += (1-ty)*((1-tx)*g[0]+tx*g[1]) + ty*((1-tx)*g[gw]+tx*g[gw+1])
			}
		}
	}
	sum, square := 0.0, 0.0
	for _, x := range out {
		sum += x
		square += x * x
	}
	n := float64(len(out))
	mean := sum / n
	dev := math.Sqrt(max(square/n-mean*mean, 1e-12))
	for i := range out {
		out[i] = (out[i] - mean) / dev
	}
	return out
}
