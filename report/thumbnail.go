package report

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html/template"
	"image"
	"image/color"
	"image/jpeg"

	"golang.org/x/image/draw"
)

// Thumbnails and pictures are at most this large.
const (
	thumbnailSide, pictureSide   = 128, 480             // pixels
	thumbnailBytes, pictureBytes = 24 * 1024, 96 * 1024 // of JPEG
)

// Thumbnail shrinks an image to at most 128×128 pixels, keeping its proportions, and
// returns it as JPEG. Transparent pixels become white. It fails for an image without
// pixels.
func Thumbnail(img image.Image) ([]byte, error) { return shrink(img, thumbnailSide, thumbnailBytes) }

// Shrink is [Thumbnail] for the pictures at the beginning of a report: at most 480×480 pixels.
func Shrink(img image.Image) ([]byte, error) { return shrink(img, pictureSide, pictureBytes) }

func shrink(img image.Image, side, most int) ([]byte, error) {
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	if w <= 0 || h <= 0 {
		return nil, fmt.Errorf("thumbnail of an image of %d×%d pixels", w, h)
	}
	if long := max(w, h); long > side {
		w, h = max(1, w*side/long), max(1, h*side/long)
	}
	small := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(small, small.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.ApproxBiLinear.Scale(small, small.Bounds(), img, b, draw.Over, nil)
	for quality := 75; ; quality -= 25 {
		var out bytes.Buffer
		if err := jpeg.Encode(&out, small, &jpeg.Options{Quality: quality}); err != nil {
			return nil, err
		}
		if out.Len() <= most || quality <= 25 {
			return out.Bytes(), nil
		}
	}
}

// dataURI returns a JPEG as a URL, empty where it is too large or no JPEG.
func dataURI(b []byte) template.URL {
	if len(b) > pictureBytes || !bytes.HasPrefix(b, []byte{0xff, 0xd8, 0xff}) {
		return ""
	}
	return template.URL("data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(b))
}
