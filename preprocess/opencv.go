package preprocess

import "math"

// pair is what one sample of OpenCV's linear interpolation is made of: two input samples with
// weights of 11 fractional bits.
type pair struct {
	a, b   int
	wa, wb int32
}

// pairs returns the pairs of an axis that is scaled from in to out samples, as cv2.resize makes
// them for INTER_LINEAR: positions in float32, weights rounded to even. Beyond the outermost
// samples these are repeated: along rows the nearest one counts whole; along columns, with
// columns set, both of a pair are the same sample and keep their weights, which rounds
// differently.
func pairs(in, out int, columns bool) []pair {
	const one = 1 << 11
	ps := make([]pair, out)
	scale := 1 / (float64(out) / float64(in))
	for i := range ps {
		at := float32(float64((float64(i)+0.5)*scale) - 0.5)
		a := int(math.Floor(float64(at)))
		f := at - float32(a)
		if !columns && (a < 0 || a >= in-1) {
			f = 0
		}
		ps[i] = pair{
			a: min(max(a, 0), in-1), b: min(max(a+1, 0), in-1),
			wa: int32(math.RoundToEven(float64((1 - f) * one))), wb: int32(math.RoundToEven(float64(f * one))),
		}
	}
	return ps
}

// resizeLinear scales an image of w×h pixels in RGB as cv2.resize does with INTER_LINEAR on
// 8-bit images: linear interpolation between the two nearest samples of each axis, without
// antialiasing, rows before columns, in integers.
func resizeLinear(src source, w, h, outW, outH int) []uint8 {
	out := make([]uint8, 3*outW*outH)
	cols, rows := pairs(w, outW, false), pairs(h, outH, true)
	bands(outH, workersFor(max(w*h, outW*outH), outH), func(from, to int) {
		read := src.reader()
		line := make([]uint8, 3*w)
		// The two input rows between which the output row lies, scaled, and which they are.
		above, below := make([]int32, 3*outW), make([]int32, 3*outW)
		aboveAt, belowAt := -1, -1
		for y := from; y < to; y++ {
			p := rows[y]
			if p.a == belowAt {
				above, below, aboveAt, belowAt = below, above, belowAt, aboveAt
			}
			if p.a != aboveAt {
				read(line, p.a, 0, w)
				widen(above, line, cols)
				aboveAt = p.a
			}
			second := above
			if p.b != p.a {
				if p.b != belowAt {
					read(line, p.b, 0, w)
					widen(below, line, cols)
					belowAt = p.b
				}
				second = below
			}
			dst := out[3*outW*y:][:3*outW]
			for i := range dst {
				dst[i] = uint8(((p.wa*(above[i]>>4))>>16 + (p.wb*(second[i]>>4))>>16 + 2) >> 2)
			}
		}
	})
	return out
}

// widen scales a row of RGB; the sums have 11 fractional bits.
func widen(dst []int32, row []uint8, cols []pair) {
	for i, c := range cols {
		a, b, d := row[3*c.a:][:3], row[3*c.b:][:3], dst[3*i:][:3]
		d[0] = c.wa*int32(a[0]) + c.wb*int32(b[0])
		d[1] = c.wa*int32(a[1]) + c.wb*int32(b[1])
		d[2] = c.wa*int32(a[2]) + c.wb*int32(b[2])
	}
}
