package preprocess

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// ErrConfig is wrapped by the errors of [Config.Validate].
var ErrConfig = errors.New("unusable preprocessing")

// Interpolations that a Config can name, after PIL.
const (
	Bicubic  = "bicubic"  // Keys' cubic convolution, a = −0.5
	Bilinear = "bilinear" // triangle
	Nearest  = "nearest"  // one pixel, without antialiasing
)

// Interpolations returns the names that [Config.Interpolation] can have.
func Interpolations() []string { return []string{Bicubic, Bilinear, Nearest} }

// Config says how an image becomes a network's input.
type Config struct {
	Height        int       `json:"height"`        // of the input, in pixels
	Width         int       `json:"width"`         // of the input, in pixels
	CropPct       float64   `json:"crop_pct"`      // part of the scaled image's short side that is kept
	Mean          []float64 `json:"mean"`          // of each channel in 0..1, subtracted
	Std           []float64 `json:"std"`           // by which the difference is divided
	Interpolation string    `json:"interpolation"` // one of [Interpolations]
}

// Channels returns how many channels the input has: 1 for gray, 3 for red, green and blue, 4
// for these and alpha.
func (c Config) Channels() int { return len(c.Mean) }

// With returns c with every field that said has a value for replaced by it.
func (c Config) With(said Config) Config {
	c.Height, c.Width, c.CropPct = cmp.Or(said.Height, c.Height), cmp.Or(said.Width, c.Width), cmp.Or(said.CropPct, c.CropPct)
	c.Interpolation = cmp.Or(said.Interpolation, c.Interpolation)
	if len(said.Mean) > 0 {
		c.Mean = said.Mean
	}
	if len(said.Std) > 0 {
		c.Std = said.Std
	}
	return c
}

// For returns c for a network whose input has the number of channels given: a Mean or Std of
// one value holds for all channels, and an empty one means ImageNet's, which has three. The
// error wraps [ErrConfig] where they do not fit.
func (c Config) For(channels int) (Config, error) {
	var err error
	if c.Mean, err = spread("mean", c.Mean, imageNetMean, channels); err != nil {
		return c, err
	}
	c.Std, err = spread("std", c.Std, imageNetStd, channels)
	return c, err
}

func spread(name string, values, without []float64, channels int) ([]float64, error) {
	said := values
	if len(said) == 0 {
		said = without
	}
	switch {
	case len(said) == channels:
		return slices.Clone(said), nil
	case len(said) == 1:
		return slices.Repeat(said, channels), nil
	case len(values) == 0:
		return nil, fmt.Errorf("%w: found no %s for the network's input of %d channels, expected one or %d numbers; ImageNet's are for 3", ErrConfig, name, channels, channels)
	}
	return nil, fmt.Errorf("%w: found a %s of %d numbers for the network's input of %d channels, expected one or %d", ErrConfig, name, len(values), channels, channels)
}

var (
	imageNetMean = []float64{0.485, 0.456, 0.406}
	imageNetStd  = []float64{0.229, 0.224, 0.225}
)

// ImageNet returns the preprocessing of ImageNet classifiers, RepViT among them: bicubic
// scaling, a centre crop of height×width, and the data set's mean and deviation. The
// official RepViT code has cropPct 0.875 (256 to 224), timm 0.95.
func ImageNet(height, width int, cropPct float64) Config {
	return Config{
		Height: height, Width: width, CropPct: cropPct,
		Mean: slices.Clone(imageNetMean), Std: slices.Clone(imageNetStd),
		Interpolation: Bicubic,
	}
}

const (
	maxSide  = 1 << 14 // of the input
	maxCrops = 16      // bounds CropPct from both sides
)

// Validate reports what makes c unusable: sides outside 1..16384, crop_pct outside 1/16..16,
// means and deviations of other than 1, 3 or 4 channels, means that are not finite, deviations
// that are not positive, an unknown interpolation. The error wraps [ErrConfig].
func (c Config) Validate() error {
	if c.Height < 1 || c.Height > maxSide || c.Width < 1 || c.Width > maxSide {
		return fmt.Errorf("%w: size %d×%d, expected 1 to %d", ErrConfig, c.Height, c.Width, maxSide)
	}
	if !(c.CropPct >= 1.0/maxCrops && c.CropPct <= maxCrops) {
		return fmt.Errorf("%w: crop_pct %v, expected 1/%d to %d", ErrConfig, c.CropPct, maxCrops, maxCrops)
	}
	if err := checkNormalization(c.Mean, c.Std); err != nil {
		return err
	}
	if !slices.Contains(Interpolations(), c.Interpolation) {
		return fmt.Errorf("%w: interpolation %q, expected one of %q", ErrConfig, c.Interpolation, Interpolations())
	}
	return nil
}

// checkNormalization refuses means and deviations that nothing can be normalised with.
func checkNormalization(mean, std []float64) error {
	if n := len(mean); n != 1 && n != 3 && n != 4 || len(std) != n {
		return fmt.Errorf("%w: mean of %d and std of %d channels, expected 1, 3 or 4 of both", ErrConfig, len(mean), len(std))
	}
	for i := range mean {
		if m := mean[i]; m-m != 0 {
			return fmt.Errorf("%w: mean %v, expected finite numbers", ErrConfig, mean)
		}
		if s := std[i]; !(float32(s) > 0) || s-s != 0 {
			return fmt.Errorf("%w: std %v, expected positive numbers", ErrConfig, std)
		}
	}
	return nil
}

// crop is where the target lies in the scaled image. A negative position means black around
// the image. Thin images become longer than a 32-bit int counts.
type crop struct {
	height, width int64 // of the scaled image
	top, left     int64
}

// crop applies the geometry rule to an image of h×w pixels.
func (c Config) crop(h, w int) crop {
	// At least one pixel, for small targets of a large crop_pct.
	sh, sw := max(int64(float64(c.Height)/c.CropPct), 1), max(int64(float64(c.Width)/c.CropPct), 1)
	var r crop
	if h, w := int64(h), int64(w); w*sh <= h*sw {
		r.width, r.height = sw, sw*h/w
	} else {
		r.width, r.height = sh*w/h, sh
	}
	r.top, r.left = offset(r.height, int64(c.Height)), offset(r.width, int64(c.Width))
	return r
}

// offset returns where the centre piece of a length begins.
func offset(have, want int64) int64 {
	if have < want {
		return -((want - have) / 2)
	}
	return int64(math.RoundToEven(float64(have-want) / 2))
}
