package preprocess

import (
	"errors"
	"fmt"
	"image"

	"github.com/repvit-go/repvit/graph"
)

// ErrImage is wrapped by errors about images that cannot be decoded or scaled.
var ErrImage = errors.New("unusable image")

// Tensor returns the network's input for an image: 1×3×Height×Width float32, red, green and
// blue, normalised. The error wraps [ErrConfig], or [ErrImage] for an image without pixels
// or with more than 64 Mi of them.
func (c Config) Tensor(img image.Image) (*graph.Tensor, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	v := make([]float32, 3*c.Height*c.Width)
	if err := c.Into(v, img); err != nil {
		return nil, err
	}
	return graph.Float32Tensor([]int{1, 3, c.Height, c.Width}, v), nil
}

// Into is [Config.Tensor] into memory of the caller's: 3·Height·Width elements, one image
// of a batch. The error also wraps [graph.ErrShape] where dst has another length.
func (c Config) Into(dst []float32, img image.Image) error {
	if err := c.Validate(); err != nil {
		return err
	}
	n := c.Height * c.Width
	if len(dst) != 3*n {
		return fmt.Errorf("%w: %d elements for an image of 3×%d×%d", graph.ErrShape, len(dst), c.Height, c.Width)
	}
	b := img.Bounds()
	if err := checkSize(b.Dx(), b.Dy()); err != nil {
		return err
	}
	pixels := c.levels(img)
	table := c.table()
	for ch := range 3 {
		plane, t := dst[ch*n:][:n], &table[ch]
		for i := range plane {
			plane[i] = t[pixels[3*i+ch]]
		}
	}
	return nil
}

// table maps the levels of each channel to normalised values, in the order of torchvision's
// float32 operations: ToTensor divides by 255, Normalize subtracts and divides.
func (c Config) table() (t [3][256]float32) {
	for ch := range t {
		mean, std := float32(c.Mean[ch]), float32(c.Std[ch])
		for i := range t[ch] {
			x := float32(i) / 255
			t[ch][i] = float32(x-mean) / std
		}
	}
	return t
}

// levels returns the crop as interleaved RGB bytes, Height×Width×3.
func (c Config) levels(img image.Image) []uint8 {
	b := img.Bounds()
	r := c.crop(b.Dy(), b.Dx())
	// The part of the crop that lies inside the scaled image.
	x0, x1 := max(-r.left, 0), min(r.width-r.left, c.Width)
	y0, y1 := max(-r.top, 0), min(r.height-r.top, c.Height)
	f := filters[c.Interpolation]
	cols := f.taps(b.Dx(), r.width, r.left+x0, r.left+x1)
	rows := f.taps(b.Dy(), r.height, r.top+y0, r.top+y1)
	inner := resample(newSource(img), cols, rows)
	if x1-x0 == c.Width && y1-y0 == c.Height {
		return inner
	}
	out := make([]uint8, 3*c.Height*c.Width)
	line := 3 * (x1 - x0)
	for y := y0; y < y1; y++ {
		copy(out[3*(y*c.Width+x0):], inner[(y-y0)*line:][:line])
	}
	return out
}
