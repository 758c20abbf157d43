package mask

import (
	"errors"
	"fmt"
	"iter"
	"slices"
)

// ErrMask is wrapped by errors about masks that are none.
var ErrMask = errors.New("malformed mask")

const maxPixels = 1 << 26

// Mask is a set of pixels of an image. Its zero value is a mask without pixels.
type Mask struct {
	height, width int
	runs          []uint32 // of pixels outside and inside in turn, outside first; together height·width
}

// checkSize refuses sizes that no mask has.
func checkSize(height, width int) error {
	if height < 1 || width < 1 || width > maxPixels/height {
		return fmt.Errorf("%w: %d×%d pixels, expected 1 to %d", ErrMask, height, width, maxPixels)
	}
	return nil
}

// FromCounts returns the mask of the run lengths given, which are of pixels outside and inside in
// turn. The error wraps [ErrMask] where they are not as many as the pixels.
func FromCounts(height, width int, counts []int64) (Mask, error) {
	if err := checkSize(height, width); err != nil {
		return Mask{}, err
	}
	runs := make([]uint32, len(counts))
	left := int64(height) * int64(width)
	for i, n := range counts {
		if n < 0 || n > left {
			return Mask{}, fmt.Errorf("%w: run %d has %d pixels, expected at most the %d that are left of %d×%d", ErrMask, i, n, left, height, width)
		}
		runs[i] = uint32(n)
		left -= n
	}
	if left != 0 {
		return Mask{}, fmt.Errorf("%w: the runs end %d pixels before the last of %d×%d", ErrMask, left, height, width)
	}
	return Mask{height, width, runs}, nil
}

// Parse reads the string form: 5 bits a character, 48 added, the least significant first, with 32
// where another character follows and the sign in the last one's bit 16; from the fourth run on,
// what is written is the difference to the run before the last. The error wraps [ErrMask].
func Parse(height, width int, text string) (Mask, error) {
	if err := checkSize(height, width); err != nil {
		return Mask{}, err
	}
	var counts []int64
	for i := 0; i < len(text); {
		var n int64
		for shift := 0; ; shift += 5 {
			if i == len(text) || shift > 30 {
				return Mask{}, fmt.Errorf("%w: run %d does not end, expected at most 7 characters", ErrMask, len(counts))
			}
			c := int64(text[i]) - '0'
			if c < 0 || c > 63 {
				return Mask{}, fmt.Errorf("%w: found the byte %#x at %d, expected %q to %q", ErrMask, text[i], i, '0', '0'+63)
			}
			i++
			n |= c & 31 << shift
			if c&32 == 0 {
				if c&16 != 0 {
					n |= -1 << (shift + 5)
				}
				break
			}
		}
		if k := len(counts); k > 2 {
			n += counts[k-2]
		}
		counts = append(counts, n)
		if n < 0 || n > maxPixels { // so that sums stay in range
			break
		}
	}
	return FromCounts(height, width, counts)
}

// String returns the form that [Parse] reads.
func (m Mask) String() string {
	var text []byte
	for i, run := range m.runs {
		n := int64(run)
		if i > 2 {
			n -= int64(m.runs[i-2])
		}
		for more := true; more; {
			c := n & 31
			n >>= 5
			more = c&16 == 0 && n != 0 || c&16 != 0 && n != -1
			if more {
				c |= 32
			}
			text = append(text, byte(c+'0'))
		}
	}
	return string(text)
}

// FromPixels returns the mask of the pixels that are not zero, given row by row. The error wraps
// [ErrMask] where they are not height·width.
func FromPixels(height, width int, pixels []uint8) (Mask, error) {
	if err := checkSize(height, width); err != nil {
		return Mask{}, err
	}
	if len(pixels) != height*width {
		return Mask{}, fmt.Errorf("%w: found %d pixels, expected %d×%d", ErrMask, len(pixels), height, width)
	}
	var b builder
	for x := range width {
		for y := range height {
			b.add(1, pixels[y*width+x] != 0)
		}
	}
	return b.mask(height, width), nil
}

// builder puts runs together.
type builder struct {
	runs   []uint32
	inside bool // what the last run is
}

// add adds n pixels.
func (b *builder) add(n int, inside bool) {
	switch {
	case n == 0:
	case len(b.runs) == 0 && inside:
		b.runs = append(b.runs, 0, uint32(n))
	case len(b.runs) == 0 || inside != b.inside:
		b.runs = append(b.runs, uint32(n))
	default:
		b.runs[len(b.runs)-1] += uint32(n)
	}
	if n != 0 {
		b.inside = inside
	}
}

func (b *builder) mask(height, width int) Mask {
	return Mask{height, width, slices.Clip(b.runs)}
}

// Size returns the image's height and width.
func (m Mask) Size() (height, width int) { return m.height, m.width }

// Area returns the number of pixels inside.
func (m Mask) Area() int {
	n := 0
	for i := 1; i < len(m.runs); i += 2 {
		n += int(m.runs[i])
	}
	return n
}

// All returns the columns and rows of the pixels inside, in the order of the runs.
func (m Mask) All() iter.Seq2[int, int] {
	return func(yield func(x, y int) bool) {
		at := 0
		for i, n := range m.runs {
			end := at + int(n)
			if i%2 == 1 {
				for ; at < end; at++ {
					if !yield(at/m.height, at%m.height) {
						return
					}
				}
			}
			at = end
		}
	}
}

// Pixels returns the image row by row, 1 for a pixel inside and 0 for one outside.
func (m Mask) Pixels() []uint8 {
	pixels := make([]uint8, m.height*m.width)
	for x, y := range m.All() {
		pixels[y*m.width+x] = 1
	}
	return pixels
}

// IoU returns the pixels that a detection and the truth share, over those of either. With crowd,
// the truth is a region of many objects, and the pixels are taken over the detection's. It is 0
// where they share none, and for images of different sizes.
func IoU(detection, truth Mask, crowd bool) float64 {
	if detection.height != truth.height || detection.width != truth.width {
		return 0
	}
	both, either := 0, 0
	overlay(detection, truth, func(n int, a, b bool) {
		if a && b {
			both += n
		}
		if a || b && !crowd {
			either += n
		}
	})
	if both == 0 {
		return 0
	}
	return float64(both) / float64(either)
}

// union returns the pixels of either of two masks of one image.
func union(a, b Mask) Mask {
	var out builder
	overlay(a, b, func(n int, inA, inB bool) { out.add(n, inA || inB) })
	return out.mask(a.height, a.width)
}

// overlay calls f for each piece of the image of which all pixels are in the same of two masks.
func overlay(a, b Mask, f func(n int, inA, inB bool)) {
	var i, j int // runs that were begun
	var restA, restB uint32
	for {
		for restA == 0 && i < len(a.runs) {
			restA = a.runs[i]
			i++
		}
		for restB == 0 && j < len(b.runs) {
			restB = b.runs[j]
			j++
		}
		n := min(restA, restB)
		if n == 0 {
			return
		}
		f(int(n), i%2 == 0, j%2 == 0)
		restA, restB = restA-n, restB-n
	}
}
