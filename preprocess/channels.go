package preprocess

import (
	"image"
	"image/color"
)

// newChannels gives an image's rows in the number of channels given: 1 for gray, as PIL's
// convert("L") computes it from RGB; 3 for RGB; 4 for RGBA. With premultiply, colours are
// multiplied by alpha (PIL's mode RGBa).
func newChannels(img image.Image, channels int, premultiply bool) source {
	rgb := newSource(img)
	switch channels {
	case 1:
		return gray{rgb}
	case 4:
		return rgba{rgb, newAlpha(img), premultiply}
	}
	return rgb
}

// gray gives one byte for each pixel.
type gray struct{ source }

func (s gray) reader() func(dst []uint8, y, x0, x1 int) {
	read := s.source.reader()
	var row []uint8
	return func(dst []uint8, y, x0, x1 int) {
		row = grow(row, 3*(x1-x0))
		read(row, y, x0, x1)
		for i := range x1 - x0 {
			p := row[3*i:][:3]
			dst[i] = uint8((19595*int32(p[0]) + 38470*int32(p[1]) + 7471*int32(p[2]) + 1<<15) >> 16) // ITU-R 601
		}
	}
}

// rgba gives four bytes for each pixel.
type rgba struct {
	source
	alpha       func(dst []uint8, y, x0, x1 int)
	premultiply bool
}

func (s rgba) reader() func(dst []uint8, y, x0, x1 int) {
	read := s.source.reader()
	var row, alpha []uint8
	return func(dst []uint8, y, x0, x1 int) {
		n := x1 - x0
		row, alpha = grow(row, 3*n), grow(alpha, n)
		read(row, y, x0, x1)
		s.alpha(alpha, y, x0, x1)
		for i, a := range alpha {
			p, d := row[3*i:][:3], dst[4*i:][:4]
			if s.premultiply && a != 255 {
				for j, v := range p {
					t := int(v)*int(a) + 128
					p[j] = uint8((t>>8 + t) >> 8)
				}
			}
			d[0], d[1], d[2], d[3] = p[0], p[1], p[2], a
		}
	}
}

// unmultiply turns premultiplied pixels back.
func unmultiply(pixels []uint8) {
	for len(pixels) >= 4 {
		if a := int(pixels[3]); a != 0 && a != 255 {
			for i := range 3 {
				pixels[i] = uint8(min(255*int(pixels[i])/a, 255))
			}
		}
		pixels = pixels[4:]
	}
}

func grow(b []uint8, n int) []uint8 {
	if cap(b) < n {
		return make([]uint8, n)
	}
	return b[:n]
}

// newAlpha returns a function that writes the alpha of the pixels x0..x1 of row y.
func newAlpha(img image.Image) func(dst []uint8, y, x0, x1 int) {
	b := img.Bounds()
	if o, ok := img.(interface{ Opaque() bool }); ok && o.Opaque() {
		return func(dst []uint8, _, _, _ int) {
			for i := range dst {
				dst[i] = 255
			}
		}
	}
	return func(dst []uint8, y, x0, x1 int) {
		for i := range dst {
			switch c := img.At(b.Min.X+x0+i, b.Min.Y+y).(type) {
			case color.NRGBA:
				dst[i] = c.A
			default:
				_, _, _, a := c.RGBA()
				dst[i] = uint8(a >> 8)
			}
		}
	}
}
