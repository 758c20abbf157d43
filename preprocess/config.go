package preprocess

import (
	"errors"
	"fmt"
	"math"
)

// ErrConfig is wrapped by the errors of [Config.Validate].
var ErrConfig = errors.New("unusable preprocessing")

// Interpolations that a Config can name, after PIL.
const (
	Bicubic  = "bicubic"  // Keys' cubic convolution, a = −0.5
	Bilinear = "bilinear" // triangle
)

// Config says how an image becomes a network's input.
type Config struct {
	Height        int        `json:"height"`        // of the input, in pixels
	Width         int        `json:"width"`         // of the input, in pixels
	CropPct       float64    `json:"crop_pct"`      // part of the scaled image's short side that is kept
	Mean          [3]float64 `json:"mean"`          // of red, green and blue in 0..1, subtracted
	Std           [3]float64 `json:"std"`           // by which the difference is divided
	Interpolation string     `json:"interpolation"` // [Bicubic] or [Bilinear]
}

// ImageNet returns the preprocessing of ImageNet classifiers, RepViT among them: bicubic
// scaling, a centre crop of height×width, and the data set's mean and deviation. The
// official RepViT code has cropPct 0.875 (256 to 224), timm 0.95.
func ImageNet(height, width int, cropPct float64) Config {
	return Config{
		Height: height, Width: width, CropPct: cropPct,
		Mean: [3]float64{0.485, 0.456, 0.406}, Std: [3]float64{0.229, 0.224, 0.225},
		Interpolation: Bicubic,
	}
}

const (
	maxSide  = 1 << 14 // of the input
	maxCrops = 16      // bounds CropPct from both sides
)

// Validate reports what makes c unusable: sides outside 1..16384, crop_pct outside 1/16..16,
// means that are not finite, deviations that are not positive, an unknown interpolation. The
// error wraps [ErrConfig].
func (c Config) Validate() error {
	if c.Height < 1 || c.Height > maxSide || c.Width < 1 || c.Width > maxSide {
		return fmt.Errorf("%w: size %d×%d, expected 1 to %d", ErrConfig, c.Height, c.Width, maxSide)
	}
	if !(c.CropPct >= 1.0/maxCrops && c.CropPct <= maxCrops) {
		return fmt.Errorf("%w: crop_pct %v, expected 1/%d to %d", ErrConfig, c.CropPct, maxCrops, maxCrops)
	}
	for i := range 3 {
		if m := c.Mean[i]; m-m != 0 {
			return fmt.Errorf("%w: mean %v, expected finite numbers", ErrConfig, c.Mean)
		}
		if s := c.Std[i]; !(float32(s) > 0) || s-s != 0 {
			return fmt.Errorf("%w: std %v, expected positive numbers", ErrConfig, c.Std)
		}
	}
	if c.Interpolation != Bicubic && c.Interpolation != Bilinear {
		return fmt.Errorf("%w: interpolation %q, expected %q or %q", ErrConfig, c.Interpolation, Bicubic, Bilinear)
	}
	return nil
}

// crop is where the target lies in the scaled image. A negative position means black around
// the image.
type crop struct {
	height, width int // of the scaled image
	top, left     int
}

// crop applies the geometry rule to an image of h×w pixels.
func (c Config) crop(h, w int) crop {
	// At least one pixel, for small targets of a large crop_pct.
	sh, sw := max(int(float64(c.Height)/c.CropPct), 1), max(int(float64(c.Width)/c.CropPct), 1)
	var r crop
	if w*sh <= h*sw {
		r.width, r.height = sw, sw*h/w
	} else {
		r.width, r.height = sh*w/h, sh
	}
	r.top, r.left = offset(r.height, c.Height), offset(r.width, c.Width)
	return r
}

// offset returns where the centre piece of a length begins.
func offset(have, want int) int {
	if have < want {
		return -((want - have) / 2)
	}
	return int(math.RoundToEven(float64(have-want) / 2))
}
