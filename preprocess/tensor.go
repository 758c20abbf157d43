package preprocess

import (
	"errors"
	"fmt"
	"image"

	"github.com/repvit-go/repvit/graph"
)

// ErrImage is wrapped by errors about images that cannot be decoded or scaled.
var ErrImage = errors.New("unusable image")

// Tensor returns the network's input for an image: 1×C×Height×Width float32, normalised, of
// C = [Config.Channels] channels: gray, red, green and blue, or these and alpha. The error wraps [ErrConfig], or [ErrImage] for an image without pixels
// or with more than 64 Mi of them.
func (c Config) Tensor(img image.Image) (*graph.Tensor, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	v := make([]float32, c.Channels()*c.Height*c.Width)
	if err := c.Into(v, img); err != nil {
		return nil, err
	}
	return graph.Float32Tensor([]int{1, c.Channels(), c.Height, c.Width}, v), nil
}

// Into is [Config.Tensor] into memory of the caller's: C·Height·Width elements, one image
// of a batch. The error also wraps [graph.ErrShape] where dst has another length.
func (c Config) Into(dst []float32, img image.Image) error {
	if err := c.Validate(); err != nil {
		return err
	}
	n, channels := c.Height*c.Width, c.Channels()
	if len(dst) != channels*n {
		return fmt.Errorf("%w: %d elements for an image of %d×%d×%d", graph.ErrShape, len(dst), channels, c.Height, c.Width)
	}
	if img == nil {
		return errNone
	}
	b := img.Bounds()
	if err := checkSize(b.Dx(), b.Dy()); err != nil {
		return err
	}
	pixels := c.levels(img)
	for ch, t := range table(c.Mean, c.Std) {
		plane := dst[ch*n:][:n]
		for i := range plane {
			plane[i] = t[pixels[channels*i+ch]]
		}
	}
	return nil
}

// table maps the levels of each channel to normalised values, in the order of torchvision's
// float32 operations: ToTensor divides by 255, Normalize subtracts and divides.
func table(means, stds []float64) []*[256]float32 {
	t := make([]*[256]float32, len(means))
	for ch := range t {
		mean, std := float32(means[ch]), float32(stds[ch])
		t[ch] = new([256]float32)
		for i := range t[ch] {
			x := float32(i) / 255
			t[ch][i] = float32(x-mean) / std
		}
	}
	return t
}

// levels returns the crop as interleaved bytes, Height×Width×C.
func (c Config) levels(img image.Image) []uint8 {
	b := img.Bounds()
	r := c.crop(b.Dy(), b.Dx())
	// The part of the crop that lies inside the scaled image.
	x0, x1 := max(-r.left, 0), min(r.width-r.left, int64(c.Width))
	y0, y1 := max(-r.top, 0), min(r.height-r.top, int64(c.Height))
	taps := filters[c.Interpolation].taps
	if c.Interpolation == Nearest {
		taps = nearest
	}
	cols := taps(b.Dx(), r.width, r.left+x0, r.left+x1)
	rows := taps(b.Dy(), r.height, r.top+y0, r.top+y1)
	n := c.Channels()
	// As in PIL, colours that alpha hides do not bleed into others.
	premultiply := n == 4 && c.Interpolation != Nearest && (r.width != int64(b.Dx()) || r.height != int64(b.Dy()))
	inner := resample(newChannels(img, n, premultiply), n, cols, rows)
	if premultiply {
		unmultiply(inner)
	}
	if len(inner) == n*c.Height*c.Width {
		return inner
	}
	out := make([]uint8, n*c.Height*c.Width)
	line := n * int(x1-x0)
	for y := range int(y1 - y0) {
		copy(out[n*((int(y0)+y)*c.Width+int(x0)):], inner[y*line:][:line])
	}
	return out
}
