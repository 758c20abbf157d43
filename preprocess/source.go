package preprocess

import (
	"image"
	"image/color"
)

// source gives the rows of an image as bytes.
type source interface {
	// reader returns a function that writes the pixels x0..x1 of row y to dst, a byte for each channel.
	// Coordinates begin at zero. Each goroutine needs a reader of its own.
	reader() func(dst []uint8, y, x0, x1 int)
}

type sourceFunc func(dst []uint8, y, x0, x1 int)

func (f sourceFunc) reader() func(dst []uint8, y, x0, x1 int) { return f }

// newSource converts colours as PIL's convert("RGB") does; see the package's documentation.
func newSource(img image.Image) source {
	b := img.Bounds()
	switch m := img.(type) {
	case *image.Gray:
		return sourceFunc(func(dst []uint8, y, x0, x1 int) {
			p := m.Pix[m.PixOffset(b.Min.X+x0, b.Min.Y+y):][:x1-x0]
			for i, v := range p {
				d := dst[3*i:][:3]
				d[0], d[1], d[2] = v, v, v
			}
		})
	case *image.RGBA:
		return sourceFunc(func(dst []uint8, y, x0, x1 int) {
			p := m.Pix[m.PixOffset(b.Min.X+x0, b.Min.Y+y):][:4*(x1-x0)]
			for len(p) >= 4 && len(dst) >= 3 {
				dst[0], dst[1], dst[2] = p[0], p[1], p[2]
				if p[3] != 255 {
					c := color.NRGBAModel.Convert(color.RGBA{p[0], p[1], p[2], p[3]}).(color.NRGBA)
					dst[0], dst[1], dst[2] = c.R, c.G, c.B
				}
				p, dst = p[4:], dst[3:]
			}
		})
	case *image.NRGBA:
		return sourceFunc(func(dst []uint8, y, x0, x1 int) {
			p := m.Pix[m.PixOffset(b.Min.X+x0, b.Min.Y+y):][:4*(x1-x0)]
			for len(p) >= 4 && len(dst) >= 3 {
				dst[0], dst[1], dst[2] = p[0], p[1], p[2]
				p, dst = p[4:], dst[3:]
			}
		})
	case *image.NRGBA64:
		return sourceFunc(func(dst []uint8, y, x0, x1 int) {
			p := m.Pix[m.PixOffset(b.Min.X+x0, b.Min.Y+y):][:8*(x1-x0)]
			for len(p) >= 8 && len(dst) >= 3 {
				dst[0], dst[1], dst[2] = p[0], p[2], p[4]
				p, dst = p[8:], dst[3:]
			}
		})
	case *image.Paletted:
		return paletted(m)
	case *image.CMYK:
		return sourceFunc(func(dst []uint8, y, x0, x1 int) {
			p := m.Pix[m.PixOffset(b.Min.X+x0, b.Min.Y+y):][:4*(x1-x0)]
			for len(p) >= 4 && len(dst) >= 3 {
				white := 255 - int(p[3])
				for i := range 3 {
					t := int(p[i])*white + 128
					dst[i] = uint8(white - (t>>8+t)>>8)
				}
				p, dst = p[4:], dst[3:]
			}
		})
	case *image.YCbCr:
		return newYCbCr(m)
	case *image.NYCbCrA:
		return newYCbCr(&m.YCbCr)
	}
	return sourceFunc(func(dst []uint8, y, x0, x1 int) {
		for i := range x1 - x0 {
			d := dst[3*i:][:3]
			switch c := img.At(b.Min.X+x0+i, b.Min.Y+y).(type) {
			case color.NRGBA: // premultiplying would lose the colour where alpha is small
				d[0], d[1], d[2] = c.R, c.G, c.B
			default:
				c64 := color.NRGBA64Model.Convert(c).(color.NRGBA64)
				d[0], d[1], d[2] = uint8(c64.R>>8), uint8(c64.G>>8), uint8(c64.B>>8)
			}
		}
	})
}

func paletted(m *image.Paletted) source {
	var table [256][3]uint8 // indexes beyond the palette are black
	for i, c := range m.Palette[:min(len(m.Palette), 256)] {
		n := color.NRGBAModel.Convert(c).(color.NRGBA)
		table[i] = [3]uint8{n.R, n.G, n.B}
	}
	b := m.Rect
	return sourceFunc(func(dst []uint8, y, x0, x1 int) {
		for i, v := range m.Pix[m.PixOffset(b.Min.X+x0, b.Min.Y+y):][:x1-x0] {
			copy(dst[3*i:][:3], table[v][:])
		}
	})
}
