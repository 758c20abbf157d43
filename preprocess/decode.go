package preprocess

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"io"
)

// Limits of [Decode]; see the package's documentation.
const (
	maxPixels   = 1 << 26
	maxFile     = 512 << 20
	maxScans    = 100
	freeBytes   = 32 << 20
	bytesPerOne = 64
)

// Errors of [Decode], beside [ErrImage], which they come with.
var (
	ErrFormat   = errors.New("none of PNG, JPEG, WebP, BMP, GIF and TIFF")
	ErrTooLarge = errors.New("too large")
)

// Open decodes an image file. It is [Decode] with errors that name the file.
func Open(path string) (image.Image, error) { return open(path, DecodeContext) }

// Decode reads an image in one of the formats that the package's documentation lists, told apart by
// their first bytes. The error wraps
// [ErrImage], together with [ErrFormat], with [ErrTooLarge] where a limit is exceeded,
// or with the decoder's error, or it is that of r.
func Decode(r io.Reader) (image.Image, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, err
	}
	return DecodeContext(context.Background(), data)
}

// DecodeContext is [Decode] of an image that is in memory already. It ends soon after the
// context does, with its error.
func DecodeContext(ctx context.Context, data []byte) (image.Image, error) {
	if len(data) > maxFile {
		return nil, fmt.Errorf("%w: %w: more than %d bytes", ErrImage, ErrTooLarge, maxFile)
	}
	f := formatOf(data)
	if f == nil {
		return nil, fmt.Errorf("%w: %w: found %s", ErrImage, ErrFormat, describe(data))
	}
	c, err := f.config(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrImage, err)
	}
	if err := checkSize(c.Width, c.Height); err != nil {
		return nil, err
	}
	each, err := f.cost(data, c)
	if err != nil {
		return nil, err
	}
	if need, limit := each*c.Width*c.Height, freeBytes+bytesPerOne*len(data); need > limit {
		return nil, fmt.Errorf("%w: %w: %d×%d pixels need %d bytes, expected at most %d for a file of %d", ErrImage, ErrTooLarge, c.Width, c.Height, need, limit, len(data))
	}
	img, err := f.decode(&cancelled{ctx, bytes.NewReader(data)}, data)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrImage, err)
	}
	return img, nil
}

// describe names what a file is that is no image that can be decoded, as far as its first bytes tell.
func describe(data []byte) string {
	if len(data) == 0 {
		return "an empty file"
	}
	return fmt.Sprintf("bytes % x", data[:min(len(data), 8)])
}

var errNone = fmt.Errorf("%w: nil", ErrImage)

// checkSize checks the number of pixels.
func checkSize(w, h int) error {
	if w < 1 || h < 1 {
		return fmt.Errorf("%w: %d×%d pixels, expected at least one", ErrImage, w, h)
	}
	if w > maxPixels/h {
		return fmt.Errorf("%w: %w: %d×%d pixels, expected at most %d", ErrImage, ErrTooLarge, w, h, maxPixels)
	}
	return nil
}

// pngCost returns the bytes that decoding needs for each pixel: interlaced images are
// decoded in passes, which together have the pixels once more.
func pngCost(data []byte, c image.Config) (int, error) {
	n := 4
	switch c.ColorModel {
	case color.GrayModel:
		n = 1
	case color.Gray16Model:
		n = 2
	case color.RGBA64Model, color.NRGBA64Model:
		n = 8
	default:
		if _, ok := c.ColorModel.(color.Palette); ok {
			n = 1
		}
	}
	if len(data) > interlace && data[interlace] != 0 {
		n *= 2
	}
	return n, nil
}

// interlace is the offset of IHDR's interlace method: the signature's 8 bytes, the chunk's
// length and type, and 12 bytes of its content precede it.
const interlace = 8 + 8 + 12

// jpegCost returns the bytes that decoding needs for each pixel: a sample of each component
// and, for progressive images, a 32-bit coefficient beside it. It refuses images with
// more scans than encoders make, because each scan goes over all coefficients.
func jpegCost(data []byte, c image.Config) (int, error) {
	n := 3
	switch c.ColorModel {
	case color.GrayModel:
		n = 1
	case color.CMYKModel:
		n = 4 + 4 // converted from the samples
	}
	// Of markers, only SOF2 says that an image is progressive. The same bytes inside another
	// segment, such as a thumbnail, make the estimate larger, not smaller.
	if bytes.Contains(data, []byte{0xff, 0xc2}) {
		n *= 5
		if scans := bytes.Count(data, []byte{0xff, 0xda}); scans > maxScans {
			return 0, fmt.Errorf("%w: %w: %d scans, expected at most %d", ErrImage, ErrTooLarge, scans, maxScans)
		}
	}
	return n, nil
}
