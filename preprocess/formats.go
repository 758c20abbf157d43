package preprocess

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"
)

// format is a kind of image file.
type format struct {
	is     func(data []byte) bool // by the first bytes
	config func(io.Reader) (image.Config, error)
	// cost returns the bytes that decoding needs for each pixel.
	cost func(data []byte, c image.Config) (int, error)
	// decode reads from r what data has.
	decode func(r io.Reader, data []byte) (image.Image, error)
	exif   func(data []byte) []byte // the TIFF structure with the EXIF data; nil for none
}

func begins(magic string) func([]byte) bool {
	return func(data []byte) bool { return bytes.HasPrefix(data, []byte(magic)) }
}

func plain(decode func(io.Reader) (image.Image, error)) func(io.Reader, []byte) (image.Image, error) {
	return func(r io.Reader, _ []byte) (image.Image, error) { return decode(r) }
}

var formats = []format{
	{begins("\x89PNG\r\n\x1a\n"), png.DecodeConfig, pngCost, plain(png.Decode), pngEXIF},
	{begins("\xff\xd8"), jpeg.DecodeConfig, jpegCost, plain(jpeg.Decode), jpegEXIF},
	{isWebP, webp.DecodeConfig, webpCost, plain(decodeWebP), webpEXIF},
	{begins("BM"), bmp.DecodeConfig, func([]byte, image.Config) (int, error) { return 4, nil }, plain(bmp.Decode), noEXIF},
	{begins("GIF8"), gif.DecodeConfig, func([]byte, image.Config) (int, error) { return 2, nil }, decodeGIF, noEXIF},
	{begins("II*\x00"), tiff.DecodeConfig, tiffCost, decodeTIFF, noEXIF},
	{begins("MM\x00*"), tiff.DecodeConfig, tiffCost, decodeTIFF, noEXIF},
}

// Extensions are how names of image files that can be decoded end, in lower case.
func Extensions() []string {
	return []string{".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
}

func formatOf(data []byte) *format {
	for i := range formats {
		if formats[i].is(data) {
			return &formats[i]
		}
	}
	return nil
}

func noEXIF([]byte) []byte { return nil }

func isWebP(data []byte) bool {
	return len(data) >= 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WEBP"
}

// webpChunk returns the content of a WebP file's first chunk of a name; nil for none.
func webpChunk(data []byte, name string) []byte {
	for data = data[12:]; len(data) >= 8; {
		size := int64(binary.LittleEndian.Uint32(data[4:]))
		if size > int64(len(data)-8) {
			return nil
		}
		if string(data[:4]) == name {
			return data[8 : 8+size]
		}
		data = data[min(8+size+size&1, int64(len(data))):]
	}
	return nil
}

func webpEXIF(data []byte) []byte {
	exif := webpChunk(data, "EXIF")
	return bytes.TrimPrefix(exif, []byte("Exif\x00\x00"))
}

// webpCost: lossy ones are half a sample of each chroma beside the luma, and become RGB and alpha,
// which is decoded in four channels; lossless ones may have a palette to be looked up. It refuses
// animations, which the decoder does not know.
func webpCost(data []byte, _ image.Config) (int, error) {
	if x := webpChunk(data, "VP8X"); len(x) > 0 && x[0]&2 != 0 {
		return 0, fmt.Errorf("%w: %w: found an animated WebP", ErrImage, ErrFormat)
	}
	if webpChunk(data, "ALPH") != nil {
		return 2 + 4 + 5, nil
	}
	if webpChunk(data, "VP8 ") != nil {
		return 2 + 4, nil
	}
	return 4 + 4, nil
}

// decodeWebP gives RGB as libwebp does.
func decodeWebP(r io.Reader) (image.Image, error) {
	img, err := webp.Decode(r)
	switch m := img.(type) {
	case *image.YCbCr:
		return webpRGB(m, nil, 0), err
	case *image.NYCbCrA:
		return webpRGB(&m.YCbCr, m.A, m.AStride), err
	}
	return img, err
}

// webpRGB converts colours as libwebp does by default: its chroma is interpolated between the four
// samples around a pixel, with weights 9, 3, 3 and 1 and two roundings, and the range is that of
// video, 16 to 235 (RFC 6386, section 9.2), in 14 fractional bits cut to 6.
func webpRGB(m *image.YCbCr, alpha []byte, alphaStride int) *image.NRGBA {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	out := image.NewNRGBA(image.Rect(0, 0, w, h))
	clip := func(v int) uint8 { return uint8(min(max(v>>6, 0), 255)) }
	lastX, lastY := (w+1)/2-1, (h+1)/2-1
	// toward is the chroma sample beside n that position at is next to.
	toward := func(at, n, last int) int { return min(max(n+2*(at&1)-1, 0), last) }
	for y := range h {
		near := y / 2
		row, other := near*m.CStride, toward(y, near, lastY)*m.CStride
		for x := range w {
			a, b := x/2, toward(x, x/2, lastX)
			chroma := func(c []uint8) int {
				p, q, r, s := int(c[row+a]), int(c[row+b]), int(c[other+a]), int(c[other+b])
				return ((p+q+r+s+8+2*(q+r))>>3 + p) >> 1
			}
			l, u, v := int(m.Y[y*m.YStride+x])*19077>>8, chroma(m.Cb), chroma(m.Cr)
			d := out.Pix[y*out.Stride+4*x:][:4]
			d[0] = clip(l + v*26149>>8 - 14234)
			d[1] = clip(l - u*6419>>8 - v*13320>>8 + 8708)
			d[2] = clip(l + u*33050>>8 - 17685)
			d[3] = 255
			if alpha != nil {
				d[3] = alpha[y*alphaStride+x]
			}
		}
	}
	return out
}

// decodeGIF gives the first picture on the file's canvas. The index 0, or the one that stands for
// transparency, is around it where it is smaller. [image/gif] takes the colour from the transparent
// index; here it is what the palette says, as alpha is dropped and not blended.
func decodeGIF(r io.Reader, data []byte) (image.Image, error) {
	c, err := gif.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	img, err := gif.Decode(r)
	if err != nil {
		return nil, err
	}
	m, ok := img.(*image.Paletted)
	if !ok {
		return nil, errors.New("GIF without a palette")
	}
	around := 0
	palette := append(color.Palette{}, m.Palette...)
	said := gifPalette(data)
	for i, c := range palette {
		if _, _, _, a := c.RGBA(); a != 0 {
			continue
		}
		around = i
		if 3*i+3 <= len(said) {
			palette[i] = color.NRGBA{said[3*i], said[3*i+1], said[3*i+2], 0}
		}
		break
	}
	canvas := image.Rect(0, 0, c.Width, c.Height)
	if m.Rect == canvas {
		m.Palette = palette
		return m, nil
	}
	whole := image.NewPaletted(canvas, palette)
	for i := range whole.Pix {
		whole.Pix[i] = uint8(around)
	}
	for y := m.Rect.Min.Y; y < m.Rect.Max.Y; y++ {
		copy(whole.Pix[whole.PixOffset(m.Rect.Min.X, y):][:m.Rect.Dx()], m.Pix[m.PixOffset(m.Rect.Min.X, y):])
	}
	return whole, nil
}

// gifPalette returns the colours of a GIF file's first picture, three bytes each: its own, else
// the file's.
func gifPalette(data []byte) (colors []byte) {
	const header, descriptor = 13, 10
	table := func(flags byte) (entries []byte) {
		if flags&0x80 == 0 {
			return nil
		}
		n := min(3<<(1+flags&7), len(data))
		entries, data = data[:n], data[n:]
		return entries
	}
	if len(data) < header {
		return nil
	}
	flags := data[10]
	data = data[header:]
	colors = table(flags)
	for len(data) >= 2 && data[0] == '!' { // extensions, in blocks that begin with their lengths
		data = data[2:]
		for len(data) > 0 {
			n := int(data[0])
			data = data[min(1+n, len(data)):]
			if n == 0 {
				break
			}
		}
	}
	if len(data) >= descriptor && data[0] == ',' {
		flags := data[9]
		data = data[descriptor:]
		if own := table(flags); own != nil {
			return own
		}
	}
	return colors
}

// tiffCost: the pixels, and the strip or tile that they are unpacked from.
func tiffCost(data []byte, c image.Config) (int, error) {
	n := 4
	switch c.ColorModel {
	case color.GrayModel:
		n = 1
	case color.Gray16Model:
		n = 2
	case color.RGBA64Model, color.NRGBA64Model:
		n = 8
	}
	return 2 * n, nil
}

// decodeTIFF turns the picture as the file says, which PIL and OpenCV do whoever asks.
func decodeTIFF(r io.Reader, data []byte) (image.Image, error) {
	img, err := tiff.Decode(r)
	if err != nil {
		return nil, err
	}
	return upright(img, tiffOrientation(data)), nil
}

// cancelled is a reader that fails when its context is done: decoders read as they work.
type cancelled struct {
	ctx context.Context
	r   *bytes.Reader
}

func (c *cancelled) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p[:min(len(p), 4096)])
}

// ReadAt is for the decoder of TIFF, which reads all at once where there is none.
func (c *cancelled) ReadAt(p []byte, at int64) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.ReadAt(p, at)
}
