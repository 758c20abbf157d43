package preprocess

import (
	"math"
	"runtime"
	"sync"
)

// filter is an interpolation kernel that vanishes outside ±support.
type filter struct {
	support float64
	at      func(x float64) float64
}

var filters = map[string]filter{
	Bicubic:  {2, cubic},
	Bilinear: {1, triangle},
}

// cubic is Keys' kernel (IEEE ASSP 29(6), 1981) with a = −0.5. The conversions keep
// compilers from fusing operations, so that all machines agree.
func cubic(x float64) float64 {
	const a = -0.5
	x = math.Abs(x)
	switch {
	case x < 1:
		return float64(float64(float64(float64((a+2)*x)-(a+3))*x)*x) + 1
	case x < 2:
		return float64((float64((float64((x-5)*x)+8)*x) - 4) * a)
	}
	return 0
}

func triangle(x float64) float64 { return max(1-math.Abs(x), 0) }

// precision is the number of fractional bits of PIL's coefficients: 32 bits less 8 of the
// samples less 2 for sums beyond the samples' range.
const precision = 32 - 8 - 2

// tap is what one output sample is made of: coefficients for the input samples from first
// on.
type tap struct {
	first  int
	coeffs []int32
}

// taps returns the taps of the output samples from..to of an axis that is scaled from in to
// out samples.
func (f filter) taps(in int, out, from, to int64) []tap {
	ts := make([]tap, to-from)
	if int64(in) == out {
		one := []int32{1 << precision}
		for i := range ts {
			ts[i] = tap{int(from) + i, one}
		}
		return ts
	}
	scale := float64(in) / float64(out)
	wide := max(scale, 1)
	support := f.support * wide
	inverse := 1 / wide
	size := int(math.Ceil(support))*2 + 1
	coeffs := make([]int32, 0, min(size, in)*len(ts))
	weights := make([]float64, 0, min(size, in))
	for i := range ts {
		center := float64((float64(from+int64(i)) + 0.5) * scale)
		first := max(int(center-support+0.5), 0)
		last := min(int(center+support+0.5), in)
		weights = weights[:0]
		sum := 0.0
		for x := first; x < last; x++ {
			w := f.at((float64(x) - center + 0.5) * inverse)
			weights = append(weights, w)
			sum += w
		}
		start := len(coeffs)
		for _, w := range weights {
			if sum != 0 {
				w /= sum
			}
			coeffs = append(coeffs, int32(w*(1<<precision)+math.Copysign(0.5, w)))
		}
		ts[i] = tap{first, coeffs[start:len(coeffs):len(coeffs)]}
	}
	return ts
}

// nearest returns taps of one sample each. PIL adds up positions, and so rounds them; in
// images of more pixels than PIL can make nobody waits for that.
func nearest(in int, out, from, to int64) []tap {
	ts := make([]tap, to-from)
	one := []int32{1 << precision}
	step := float64(in) / float64(out)
	at, i := step*0.5, int64(0)
	if to > maxPixels {
		at, i = float64(step*(float64(from)+0.5)), from
	}
	for ; i < to; i++ {
		if i >= from {
			ts[i-from] = tap{min(int(at), in-1), one}
		}
		at += step
	}
	return ts
}

// span returns the input samples that taps read.
func span(ts []tap) (from, to int) {
	last := ts[len(ts)-1]
	return ts[0].first, last.first + len(last.coeffs)
}

// parallelPixels is the number of pixels from which more than one core pays.
const parallelPixels = 1 << 18

// workersFor returns how many workers share n rows of an image of so many pixels.
func workersFor(pixels, n int) int {
	if pixels < parallelPixels {
		return 1
	}
	return min(runtime.GOMAXPROCS(0), n)
}

// resample returns the output samples of cols and rows, n interleaved channels.
func resample(src source, n int, cols, rows []tap) []uint8 {
	x0, x1 := span(cols)
	y0, y1 := span(rows)
	line := n * len(cols)
	mid := make([]uint8, (y1-y0)*line)
	out := make([]uint8, len(rows)*line)
	workers := workersFor((x1-x0)*(y1-y0), y1-y0)
	bands(y1-y0, workers, func(from, to int) {
		in := make([]uint8, n*(x1-x0))
		read := src.reader()
		for y := from; y < to; y++ {
			read(in, y0+y, x0, x1)
			if n == 3 {
				horizontal(mid[y*line:][:line], in, cols, x0)
			} else {
				horizontalAny(mid[y*line:][:line], in, n, cols, x0)
			}
		}
	})
	bands(len(rows), workers, func(from, to int) {
		sums := make([]int32, line)
		for y := from; y < to; y++ {
			t := rows[y]
			vertical(out[y*line:][:line], mid[(t.first-y0)*line:], t.coeffs, sums)
		}
	})
	return out
}

// bands splits n rows between workers.
func bands(n, workers int, f func(from, to int)) {
	if workers <= 1 {
		f(0, n)
		return
	}
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() { f(n*i/workers, n*(i+1)/workers) })
	}
	wg.Wait()
}

const half = 1 << (precision - 1)

// horizontal scales a row of interleaved RGB that begins at column x0.
func horizontal(dst, src []uint8, cols []tap, x0 int) {
	for i, t := range cols {
		k := t.coeffs
		p := src[3*(t.first-x0):][:3*len(k)]
		r, g, b := int32(half), int32(half), int32(half)
		for _, c := range k {
			if len(p) < 3 {
				break
			}
			r += c * int32(p[0])
			g += c * int32(p[1])
			b += c * int32(p[2])
			p = p[3:]
		}
		d := dst[3*i:][:3]
		d[0], d[1], d[2] = clip(r), clip(g), clip(b)
	}
}

// horizontalAny is horizontal for n channels.
func horizontalAny(dst, src []uint8, n int, cols []tap, x0 int) {
	for i, t := range cols {
		p := src[n*(t.first-x0):]
		for ch := range n {
			sum := int32(half)
			for j, c := range t.coeffs {
				sum += c * int32(p[n*j+ch])
			}
			dst[n*i+ch] = clip(sum)
		}
	}
}

// vertical adds rows of src, weighted.
func vertical(dst, src []uint8, coeffs, sums []int32) {
	for i := range sums {
		sums[i] = half
	}
	for j, c := range coeffs {
		row := src[j*len(sums):][:len(sums)]
		for i, v := range row {
			sums[i] += c * int32(v)
		}
	}
	for i, s := range sums {
		dst[i] = clip(s)
	}
}

// clip rounds down to a level.
func clip(s int32) uint8 {
	s >>= precision
	if uint32(s) > 255 {
		return uint8(^s >> 31) // 0 below, 255 above
	}
	return uint8(s)
}
