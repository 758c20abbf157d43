package quant

import (
	"math"
	"sort"
)

const (
	bins       = 4096
	levels     = 256
	percentile = 99.99 // of the magnitudes on either side that the estimator keeps
)

// histogram counts the values of an activation in equal bins around zero, whose width
// doubles as often as the values need. Adding the same values in the same order gives the
// same histogram.
type histogram struct {
	lo, hi float64 // exact extremes
	bound  float64 // bins cover [−bound, bound); a power of two
	count  [bins]int64
	n      int64
}

// add counts values, which must be finite.
func (h *histogram) add(values []float32) {
	if len(values) == 0 {
		return
	}
	lo, hi := values[0], values[0]
	for _, x := range values {
		lo, hi = min(lo, x), max(hi, x)
	}
	if h.n == 0 {
		h.lo, h.hi = float64(lo), float64(hi)
	}
	h.lo, h.hi = min(h.lo, float64(lo)), max(h.hi, float64(hi))
	h.widen(max(-h.lo, h.hi))
	scale := float32(bins / 2 / h.bound)
	for _, x := range values {
		h.count[min(int(x*scale+bins/2), bins-1)]++
	}
	h.n += int64(len(values))
}

// widen makes the bins cover magnitude m.
func (h *histogram) widen(m float64) {
	if h.bound == 0 {
		_, e := math.Frexp(max(m, 1e-30))
		h.bound = math.Ldexp(1, e)
	}
	for m > h.bound {
		var c [bins]int64
		for i, k := range h.count {
			c[(i+bins/2)/2] += k
		}
		h.count = c
		h.bound *= 2
	}
}

// center returns the middle of bin i.
func (h *histogram) center(i int) float64 { return (float64(i) + 0.5 - bins/2) * 2 * h.bound / bins }

// rangeOf returns the range that an activation's quantizer should represent, which holds
// zero:
//
//   - minmax: all values seen;
//   - percentile: all but 0.01 % at either end;
//   - mse: the range with the least mean of rounding and clipping errors raised to power;
//   - entropy: the range whose quantized distribution has the least Kullback-Leibler
//     divergence from the one seen (S. Migacz, "8-bit Inference with TensorRT", GTC 2017).
func (h *histogram) rangeOf(m Method, power float64, symmetric bool) (lo, hi float64) {
	lo, hi = min(h.lo, 0), max(h.hi, 0)
	if h.n == 0 || lo == hi {
		return lo, hi
	}
	search := h.search
	if symmetric {
		search = h.searchBoth
	}
	switch m {
	case Percentile:
		return h.percentile(lo, hi)
	case MSE:
		return search(lo, hi, func(lo, hi float64) float64 { return h.meanError(newQuantizer(lo, hi, symmetric), power) })
	case Entropy:
		return search(lo, hi, func(lo, hi float64) float64 { return h.divergence(newQuantizer(lo, hi, symmetric)) })
	}
	return lo, hi
}

func (h *histogram) percentile(lo, hi float64) (float64, float64) {
	var cum [bins + 1]int64
	for i, c := range h.count {
		cum[i+1] = cum[i] + c
	}
	rank := func(p float64) float64 {
		want := int64(math.Ceil(p * float64(h.n)))
		i := sort.Search(bins, func(i int) bool { return cum[i+1] >= want })
		return h.center(i)
	}
	return max(lo, min(rank(1-percentile/100), 0)), min(hi, max(rank(percentile/100), 0))
}

// steps is how many parts of the full range a search tries, but for the last.
const steps = 40

// search minimises cost over fractions of the full range, each end in turn.
func (h *histogram) search(lo, hi float64, cost func(lo, hi float64) float64) (float64, float64) {
	a, b := lo, hi
	best := cost(a, b)
	for range 2 {
		for i := 1; i < steps-4; i++ {
			x := hi * (1 - float64(i)/steps)
			if c := cost(a, x); c < best {
				best, b = c, x
			}
		}
		if lo == 0 {
			break
		}
		for i := 1; i < steps-4; i++ {
			x := lo * (1 - float64(i)/steps)
			if c := cost(x, b); c < best {
				best, a = c, x
			}
		}
	}
	return a, b
}

// searchBoth is search for ranges of which only the larger end counts.
func (h *histogram) searchBoth(lo, hi float64, cost func(lo, hi float64) float64) (float64, float64) {
	most := max(-lo, hi)
	a, b := lo, hi
	best := cost(a, b)
	for i := 1; i < steps-4; i++ {
		m := most * (1 - float64(i)/steps)
		x, y := max(lo, -m), min(hi, m)
		if c := cost(x, y); c < best {
			best, a, b = c, x, y
		}
	}
	return a, b
}

// meanError is the sum of |error|^power. Errors inside the range are spread evenly over half
// a step to either side.
func (h *histogram) meanError(q quantizer, power float64) float64 {
	inside := math.Pow(float64(q.scale)/2, power) / (power + 1)
	a, b := q.limits()
	sum := 0.0
	for i, c := range h.count {
		if c == 0 {
			continue
		}
		x := h.center(i)
		switch {
		case x < a:
			sum += float64(c) * math.Pow(a-x, power)
		case x > b:
			sum += float64(c) * math.Pow(x-b, power)
		default:
			sum += float64(c) * inside
		}
	}
	return sum
}

// divergence is the Kullback-Leibler divergence of the clipped and quantized distribution
// from the one seen. Values beyond the range count in its outermost bins; the numbers of a
// level spread evenly over those of its bins that are not empty.
func (h *histogram) divergence(q quantizer) float64 {
	a, b := q.limits()
	var level [levels]struct {
		sum  float64
		bins int
	}
	first, last, inside := -1, -1, 0.0
	below, above := 0.0, 0.0
	for i, c := range h.count {
		if c == 0 {
			continue
		}
		switch x := h.center(i); {
		case x < a:
			below += float64(c)
		case x > b:
			above += float64(c)
		default:
			if first < 0 {
				first = i
			}
			last = i
			l := &level[q.quantize(x)]
			l.sum += float64(c)
			l.bins++
			inside += float64(c)
		}
	}
	// A range of fewer bins than levels would be represented exactly, however bad it is.
	if first < 0 || (b-a)/(2*h.bound/bins) < levels {
		return math.Inf(1)
	}
	div, total := 0.0, float64(h.n)
	for i := first; i <= last; i++ {
		p := float64(h.count[i])
		if p == 0 {
			continue
		}
		l := level[q.quantize(h.center(i))]
		if i == first {
			p += below
		}
		if i == last {
			p += above
		}
		p /= total
		div += p * math.Log(p*inside*float64(l.bins)/l.sum)
	}
	return div
}

// quantizer is an affine mapping of numbers to uint8.
type quantizer struct {
	scale float32
	zero  uint8
}

// symmetricZero stands for zero in symmetric mappings: it is 0 of int8.
const symmetricZero = 128

// newQuantizer returns the mapping that represents [lo, hi], which holds zero, and zero
// exactly. In a symmetric one symmetricZero stands for zero.
func newQuantizer(lo, hi float64, symmetric bool) quantizer {
	lo, hi = min(lo, 0), max(hi, 0)
	if symmetric {
		s := max(-lo, hi) / (levels - 1 - symmetricZero)
		if s < 1e-20 {
			s = 1 // nothing but zeros
		}
		return quantizer{float32(s), symmetricZero}
	}
	s := (hi - lo) / (levels - 1)
	if s < 1e-20 {
		return quantizer{1, 0} // nothing but zeros
	}
	zero := math.RoundToEven(-lo / s)
	// Rounding the zero point moves both ends; the scale grows until they are inside.
	if zero > 0 {
		s = max(s, -lo/zero)
	}
	if zero < levels-1 {
		s = max(s, hi/(levels-1-zero))
	}
	return quantizer{float32(s), uint8(zero)}
}

// limits returns the smallest and largest number that is represented.
func (q quantizer) limits() (lo, hi float64) {
	return -float64(q.zero) * float64(q.scale), float64(levels-1-int(q.zero)) * float64(q.scale)
}

func (q quantizer) quantize(x float64) uint8 {
	return uint8(min(max(math.RoundToEven(x/float64(q.scale))+float64(q.zero), 0), levels-1))
}
