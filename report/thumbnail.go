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

// Thumbnails are at most this large.
const (
	thumbnailSide  = 128       // pixels
	thumbnailBytes = 24 * 1024 // of JPEG
)

// Thumbnail shrinks an image to at most 128×128 pixels, keeping its proportions, and
// returns it as JPEG. Transparent pixels become white. It fails for an image without
// pixels.
func Thumbnail(img image.Image) ([]byte, error) {
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	if w <= 0 || h <= 0 {
		return nil, fmt.Errorf("thumbnail of an image of %d×%d pixels", w, h)
	}
	if long := max(w, h); long > thumbnailSide {
		w, h = max(1, w*thumbnailSide/long), max(1, h*thumbnailSide/long)
	}
	small := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(small, small.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.ApproxBiLinear.Scale(small, small.Bounds(), img, b, draw.Over, nil)
	for quality := 75; ; quality -= 25 {
		var out bytes.Buffer
		if err := jpeg.Encode(&out, small, &jpeg.Options{Quality: quality}); err != nil {
			return nil, err
		}
		if out.Len() <= thumbnailBytes || quality <= 25 {
			return out.Bytes(), nil
		}
	}
}

// dataURI returns a JPEG as a URL, empty where it is too large or no JPEG.
func dataURI(b []byte) template.URL {
	if len(b) > thumbnailBytes || !bytes.HasPrefix(b, []byte{0xff, 0xd8, 0xff}) {
		return ""
	}
	return template.URL("data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(b))
}
