package preprocess

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"io"
	"math"
	"slices"

	"github.com/repvit-go/repvit/graph"
)

// Fit says how a whole image becomes the input of a network that answers for each of its
// pixels, such as one for segmentation or detection: nothing is cut off, and the image keeps its
// shape but for what Stretch says.
//
// Where the network takes one size only, Height and Width are that, and the image is scaled by
// min(Height/h, Width/w). Otherwise Long, Short and Divisor hold, as in the test pipelines of
// mmcv: the factor is min(Long/max(h,w), Short/min(h,w)), and the input's sides are the next
// multiples of Divisor. Scaled sides are int(side·factor+0.5), at least 1. What the image does
// not fill, at the right and at the bottom, is zero after normalising.
type Fit struct {
	Height int `json:"height,omitempty"` // of the input, in pixels; 0 where it depends on the image
	Width  int `json:"width,omitempty"`  // of the input, in pixels; 0 where it depends on the image

	Long    int  `json:"long,omitempty"`    // bound of the scaled image's longer side
	Short   int  `json:"short,omitempty"`   // bound of its shorter side
	Divisor int  `json:"divisor,omitempty"` // of the input's sides
	Stretch bool `json:"stretch,omitempty"` // multiples of Divisor are reached by scaling a second time, instead of zeros

	// Antialias is PIL's bilinear filter, whose support grows with the reduction. Without it,
	// scaling is OpenCV's linear interpolation.
	Antialias bool `json:"antialias,omitempty"`

	Mean []float64 `json:"mean"` // of red, green and blue in 0..1, subtracted
	Std  []float64 `json:"std"`  // by which the difference is divided
}

// divisor is of the sides of inputs: RepViT's largest stride.
const divisor = 32

// Segmentation returns the test pipeline of mmsegmentation's Semantic FPN: the image is scaled
// to fit (long, short), and a second time to multiples of 32. Those of ADE20K have (2048, 512).
func Segmentation(long, short int) Fit {
	f := Detection(long, short)
	f.Stretch = true
	return f
}

// Detection returns the test pipeline of mmdetection's Mask R-CNN: the image is scaled to fit
// (long, short), with zeros at the right and at the bottom up to multiples of 32. Those of COCO
// have (1333, 800).
func Detection(long, short int) Fit {
	return Fit{Long: long, Short: short, Divisor: divisor, Mean: slices.Clone(imageNetMean), Std: slices.Clone(imageNetStd)}
}

// Letterbox returns what SAM's image encoders see: the longer side is scaled to size with PIL's
// filter (ResizeLongestSide), and zeros make it a square. Published networks have size 1024.
func Letterbox(size int) Fit {
	return Fit{Height: size, Width: size, Antialias: true, Mean: slices.Clone(imageNetMean), Std: slices.Clone(imageNetStd)}
}

// Sized returns f for a network that takes images of height×width only.
func (f Fit) Sized(height, width int) Fit {
	f.Height, f.Width = height, width
	f.Long, f.Short, f.Divisor, f.Stretch = 0, 0, 0, false
	return f
}

// For returns f for a network whose input has the shape given: where it takes one size only, that
// replaces the rule for other sizes.
func (f Fit) For(input graph.Shape) Fit {
	if len(input) == 4 && input[2].Known() && input[3].Known() {
		return f.Sized(input[2].Size, input[3].Size)
	}
	return f
}

// ParseFit reads the JSON of a Fit, as model files carry it. The error wraps [ErrConfig], also
// for that of a [Config].
func ParseFit(text []byte) (Fit, error) {
	var f Fit
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return f, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return f, fmt.Errorf("%w: found more text behind the object, expected its end", ErrConfig)
	}
	return f, f.Validate()
}

// Validate reports what makes f unusable: neither or both of a fixed size and a rule, sizes
// or a Divisor outside 1..16384, Short above Long, means and deviations of other than three channels,
// means that are not finite, deviations that are not positive. The error wraps [ErrConfig].
func (f Fit) Validate() error {
	side := func(n int) bool { return n >= 1 && n <= maxSide }
	switch {
	case f.Height != 0 || f.Width != 0:
		if !side(f.Height) || !side(f.Width) {
			return fmt.Errorf("%w: size %d×%d, expected 1 to %d", ErrConfig, f.Height, f.Width, maxSide)
		}
		if f.Long != 0 || f.Short != 0 || f.Divisor != 0 || f.Stretch {
			return fmt.Errorf("%w: found both a fixed size and a rule for other sizes, expected one of them", ErrConfig)
		}
	case !side(f.Long) || !side(f.Short) || f.Short > f.Long:
		return fmt.Errorf("%w: scale %dx%d, expected LONGxSHORT of 1 to %d", ErrConfig, f.Long, f.Short, maxSide)
	case !side(f.Divisor):
		return fmt.Errorf("%w: divisor %d, expected 1 to %d", ErrConfig, f.Divisor, maxSide)
	}
	if len(f.Mean) != 3 {
		return fmt.Errorf("%w: mean of %d channels, expected 3", ErrConfig, len(f.Mean))
	}
	return checkNormalization(f.Mean, f.Std)
}

// String says in a line what f does.
func (f Fit) String() string {
	var how, filter string
	switch {
	case f.Height > 0:
		how = fmt.Sprintf("scaled to fit %d×%d, zeros around", f.Height, f.Width)
	case f.Stretch:
		how = fmt.Sprintf("scaled to fit %d×%d, then to multiples of %d", f.Long, f.Short, f.Divisor)
	default:
		how = fmt.Sprintf("scaled to fit %d×%d, zeros up to multiples of %d", f.Long, f.Short, f.Divisor)
	}
	if filter = "OpenCV's bilinear"; f.Antialias {
		filter = "PIL's bilinear"
	}
	return fmt.Sprintf("%s, mean %v, std %v, %s", how, f.Mean, f.Std, filter)
}

// Place returns where an image of w×h pixels goes. The error wraps [ErrConfig], or [ErrImage]
// for an image without pixels or with more than 64 Mi of them.
func (f Fit) Place(w, h int) (Placement, error) {
	if err := f.Validate(); err != nil {
		return Placement{}, err
	}
	if err := checkSize(w, h); err != nil {
		return Placement{}, err
	}
	p := Placement{Image: image.Pt(w, h)}
	if f.Height > 0 {
		p.Resized = scaled(p.Image, min(float64(f.Height)/float64(h), float64(f.Width)/float64(w)))
		p.Input = image.Pt(f.Width, f.Height)
		return p, nil
	}
	p.Resized = f.first(p.Image)
	p.Input = image.Pt(multiple(p.Resized.X, f.Divisor), multiple(p.Resized.Y, f.Divisor))
	if f.Stretch {
		p.Resized = p.Input
	}
	return p, nil
}

// first is the size after the rule of Long and Short.
func (f Fit) first(p image.Point) image.Point {
	return scaled(p, min(float64(f.Long)/float64(max(p.X, p.Y)), float64(f.Short)/float64(min(p.X, p.Y))))
}

func scaled(p image.Point, factor float64) image.Point {
	side := func(n int) int { return max(int(float64(float64(n)*factor)+0.5), 1) }
	return image.Pt(side(p.X), side(p.Y))
}

func multiple(n, of int) int { return (n + of - 1) / of * of }

// Tensor returns the network's input for an image, 1×3×H×W float32, and where the image went in
// it. Images in files are to be opened with [OpenUpright]. The errors are those of [Fit.Place].
func (f Fit) Tensor(img image.Image) (*graph.Tensor, Placement, error) {
	if img == nil {
		return nil, Placement{}, errNone
	}
	p, err := f.Place(img.Bounds().Dx(), img.Bounds().Dy())
	if err != nil {
		return nil, p, err
	}
	v := make([]float32, 3*p.Input.X*p.Input.Y)
	f.into(v, img, p)
	return graph.Float32Tensor([]int{1, 3, p.Input.Y, p.Input.X}, v), p, nil
}

// Pixels returns the scaled image alone, h×w×3 uint8, for networks that normalise and pad it
// themselves. The errors are those of [Fit.Place].
func (f Fit) Pixels(img image.Image) (*graph.Tensor, Placement, error) {
	if img == nil {
		return nil, Placement{}, errNone
	}
	p, err := f.Place(img.Bounds().Dx(), img.Bounds().Dy())
	if err != nil {
		return nil, p, err
	}
	t, err := graph.NewTensor(graph.Uint8, []int{p.Resized.Y, p.Resized.X, 3}, f.levels(img, p))
	return t, p, err
}

func (f Fit) into(dst []float32, img image.Image, p Placement) {
	pixels := f.levels(img, p)
	for ch, t := range table(f.Mean, f.Std) {
		plane := dst[ch*p.Input.X*p.Input.Y:]
		for y := range p.Resized.Y {
			row := plane[y*p.Input.X:][:p.Resized.X]
			for x := range row {
				row[x] = t[pixels[3*(y*p.Resized.X+x)+ch]]
			}
		}
	}
}

// levels returns the scaled image as interleaved RGB.
func (f Fit) levels(img image.Image, p Placement) []uint8 {
	src, size := newSource(img), p.Image
	if f.Antialias {
		taps := filters[Bilinear].taps
		return resample(src, 3, taps(size.X, int64(p.Resized.X), 0, int64(p.Resized.X)), taps(size.Y, int64(p.Resized.Y), 0, int64(p.Resized.Y)))
	}
	if f.Stretch {
		first := f.first(size)
		pixels := resizeLinear(src, size.X, size.Y, first.X, first.Y)
		src, size = sourceFunc(func(dst []uint8, y, x0, x1 int) { copy(dst, pixels[3*(y*first.X+x0):3*(y*first.X+x1)]) }), first
	}
	return resizeLinear(src, size.X, size.Y, p.Resized.X, p.Resized.Y)
}

// Placement says where an image is in a network's input: its first pixel is the input's.
type Placement struct {
	Image   image.Point // size of the image
	Resized image.Point // its size in the input
	Input   image.Point // size of the input
}

// ToInput returns the place in the input of a point of the image, such as a prompt. The axes' factors
// are not the same, because sides are rounded.
func (p Placement) ToInput(x, y float64) (float64, float64) {
	return x * float64(p.Resized.X) / float64(p.Image.X), y * float64(p.Resized.Y) / float64(p.Image.Y)
}

// ToImage returns the place in the image of a point of the input, such as a corner of a box.
func (p Placement) ToImage(x, y float64) (float64, float64) {
	return x * float64(p.Image.X) / float64(p.Resized.X), y * float64(p.Image.Y) / float64(p.Resized.Y)
}

// Classes returns the classes of the image's pixels, row by row, from those of the input's:
// int64 of shape 1×1×H×W or 1×H×W, of which each of the image's pixels takes the nearest, or
// logits, floats of shape 1×C×H×W, which are interpolated linearly as mmsegmentation does, the
// first of the largest being the class. The error wraps [graph.ErrShape] for another type or
// shape.
func (p Placement) Classes(t *graph.Tensor) ([]int64, error) {
	n := len(t.Shape)
	wrong := func() ([]int64, error) {
		return nil, fmt.Errorf("%w: found %v of shape %v, expected int64 1×1×%d×%d or floats 1×classes×%[4]d×%[5]d", graph.ErrShape, t.DType, t.Shape, p.Input.Y, p.Input.X)
	}
	if n < 3 || n > 4 || t.Shape[0] != 1 || t.Shape[n-2] != p.Input.Y || t.Shape[n-1] != p.Input.X {
		return wrong()
	}
	switch {
	case t.DType == graph.Int64 && (n == 3 || t.Shape[1] == 1):
		return p.nearest(t.Int64s()), nil
	case t.DType.IsFloat() && n == 4 && t.Shape[1] > 0:
		return p.argmax(t.Float32s(), t.Shape[1]), nil
	}
	return wrong()
}

func (p Placement) nearest(classes []int64) []int64 {
	out := make([]int64, 0, p.Image.X*p.Image.Y)
	for y := range p.Image.Y {
		row := classes[near(y, p.Resized.Y, p.Image.Y)*p.Input.X:]
		for x := range p.Image.X {
			out = append(out, row[near(x, p.Resized.X, p.Image.X)])
		}
	}
	return out
}

// near is the sample of in of them that lies nearest to sample i of out.
func near(i, in, out int) int {
	return int((2*int64(i) + 1) * int64(in) / (2 * int64(out)))
}

// argmax interpolates the logits of each class in turn, and keeps the largest.
func (p Placement) argmax(logits []float32, classes int) []int64 {
	out := make([]int64, p.Image.X*p.Image.Y)
	cols, rows := between(p.Resized.X, p.Image.X), between(p.Resized.Y, p.Image.Y)
	bands(p.Image.Y, workersFor(p.Image.X*p.Image.Y, p.Image.Y), func(from, to int) {
		line, best := make([]float32, p.Resized.X), make([]float32, p.Image.X)
		for y := from; y < to; y++ {
			r, dst := rows[y], out[y*p.Image.X:][:p.Image.X]
			for c := range classes {
				plane := logits[c*p.Input.X*p.Input.Y:]
				a, b := plane[r.a*p.Input.X:][:len(line)], plane[r.b*p.Input.X:][:len(line)]
				for x := range line {
					line[x] = float32((1-r.f)*a[x]) + float32(r.f*b[x])
				}
				for x, k := range cols {
					if v := float32((1-k.f)*line[k.a]) + float32(k.f*line[k.b]); c == 0 || v > best[x] {
						best[x], dst[x] = v, int64(c)
					}
				}
			}
		}
	})
	return out
}

// interpolated is a place between two samples: the part f of the way from a to b.
type interpolated struct {
	a, b int
	f    float32
}

// between returns where out samples lie between in of them, with half-pixel centres.
func between(in, out int) []interpolated {
	all := make([]interpolated, out)
	for i := range all {
		at := max(float64((float64(i)+0.5)*float64(in))/float64(out)-0.5, 0)
		a := int(math.Floor(at))
		all[i] = interpolated{a, min(a+1, in-1), float32(at - float64(a))}
	}
	return all
}
