package preprocess

import "image"

// ycbcr gives the rows of a JPEG as libjpeg-turbo does by default: halved chroma is
// interpolated with weights ¾ and ¼ ("fancy upsampling", jdsample.c), and colours are
// converted with 16 fractional bits (jdcolor.c).
type ycbcr struct {
	*image.YCbCr
	h, v int // how many pixels share a chroma sample, horizontally and vertically
	w    int // chroma samples in a row
	rows int // of chroma
}

func newYCbCr(m *image.YCbCr) source {
	s := ycbcr{YCbCr: m, h: 1, v: 1}
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio422:
		s.h = 2
	case image.YCbCrSubsampleRatio420:
		s.h, s.v = 2, 2
	case image.YCbCrSubsampleRatio440:
		s.v = 2
	case image.YCbCrSubsampleRatio411:
		s.h = 4
	case image.YCbCrSubsampleRatio410:
		s.h, s.v = 4, 2
	}
	b := m.Rect
	s.w = (b.Max.X+s.h-1)/s.h - b.Min.X/s.h
	s.rows = (b.Max.Y+s.v-1)/s.v - b.Min.Y/s.v
	return s
}

func (s ycbcr) reader() func(dst []uint8, y, x0, x1 int) {
	b := s.Rect
	cb, cr := make([]uint8, s.h*s.w), make([]uint8, s.h*s.w)
	column := make([]int32, s.w)
	shift := b.Min.X % s.h // of the first pixel in its chroma sample
	return func(dst []uint8, y, x0, x1 int) {
		at := b.Min.Y + y
		s.chroma(cb, s.Cb, column, at, shift+x0, shift+x1)
		s.chroma(cr, s.Cr, column, at, shift+x0, shift+x1)
		luma := s.Y[s.YOffset(b.Min.X+x0, at):][:x1-x0]
		toRGB(dst, luma, cb[shift+x0:shift+x1], cr[shift+x0:shift+x1])
	}
}

// chroma writes the samples x0..x1 of a chroma plane's row, one for each pixel of the
// luma row y.
func (s ycbcr) chroma(dst, plane []uint8, column []int32, y, x0, x1 int) {
	row := y/s.v - s.Rect.Min.Y/s.v
	near := plane[row*s.CStride:][:s.w]
	other := near
	if s.v == 2 {
		i := row + 1
		if y%2 == 0 {
			i = row - 1
		}
		i = min(max(i, 0), s.rows-1) // the edge is repeated
		other = plane[i*s.CStride:][:s.w]
	}
	c0, c1 := x0/s.h, (x1+s.h-1)/s.h
	switch {
	case s.h == 1 && s.v == 1:
		copy(dst[x0:x1], near[x0:x1])
	case s.h == 1:
		bias := 1 + int32(y%2)
		for i := c0; i < c1; i++ {
			dst[i] = uint8((3*int32(near[i]) + int32(other[i]) + bias) >> 2)
		}
	case s.h == 4 || s.w <= 2:
		for i := x0; i < x1; i++ {
			dst[i] = near[i/s.h]
		}
	case s.v == 1:
		for i := max(c0-1, 0); i < min(c1+1, s.w); i++ {
			column[i] = int32(near[i])
		}
		s.widen(dst, column, c0, c1, 1, 2, 2)
	default:
		for i := max(c0-1, 0); i < min(c1+1, s.w); i++ {
			column[i] = 3*int32(near[i]) + int32(other[i])
		}
		s.widen(dst, column, c0, c1, 8, 7, 4)
	}
}

// widen interpolates between chroma columns: each gives two pixels, which lie a quarter
// of its width from its middle.
func (s ycbcr) widen(dst []uint8, column []int32, c0, c1 int, even, odd int32, shift uint) {
	for i := c0; i < c1; i++ {
		c := column[i]
		before, after := c, c
		if i > 0 {
			before = column[i-1]
		}
		if i+1 < s.w {
			after = column[i+1]
		}
		dst[2*i] = uint8((3*c + before + even) >> shift)
		dst[2*i+1] = uint8((3*c + after + odd) >> shift)
	}
}

// Conversion constants of ITU-T T.871 with 16 fractional bits.
const (
	crToR = 91881  // 1.402
	cbToB = 116130 // 1.772
	crToG = 46802  // 0.71414
	cbToG = 22554  // 0.34414
	round = 1 << 15
)

func toRGB(dst, luma, cb, cr []uint8) {
	cb, cr = cb[:len(luma)], cr[:len(luma)]
	for i, l := range luma {
		y, b, r := int32(l), int32(cb[i])-128, int32(cr[i])-128
		d := dst[3*i:][:3]
		d[0] = level(y + (crToR*r+round)>>16)
		d[1] = level(y + (-cbToG*b-crToG*r+round)>>16)
		d[2] = level(y + (cbToB*b+round)>>16)
	}
}

// level limits v to 0..255.
func level(v int32) uint8 {
	if uint32(v) > 255 {
		return uint8(^v >> 31)
	}
	return uint8(v)
}
