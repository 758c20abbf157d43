package evaluate

import (
	"context"
	"fmt"
	"image"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/infile"
	"github.com/repvit-go/repvit/preprocess"
)

// Ignored is the label of pixels that do not count.
const Ignored = 255

// LabelImage holds the class of every pixel, row by row; [Ignored] for none.
type LabelImage struct {
	Height, Width int
	Labels        []uint8
}

// ReduceZeroLabel turns labels that count from 1, with 0 for no class, into those that count from
// 0, as mmsegmentation does with ADE20K's (reduce_zero_label).
func (m *LabelImage) ReduceZeroLabel() {
	for i, label := range m.Labels {
		if label != Ignored {
			m.Labels[i] = label - 1 // 0 becomes 255
		}
	}
}

// Classes returns the class of every pixel as networks give it; −1 for [Ignored].
func (m *LabelImage) Classes() []int64 {
	all := make([]int64, len(m.Labels))
	for i, label := range m.Labels {
		if all[i] = int64(label); label == Ignored {
			all[i] = -1
		}
	}
	return all
}

// ReadLabelImage is [DecodeLabelImage] of a file, which errors name.
func ReadLabelImage(path string) (*LabelImage, error) {
	data, err := infile.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m, err := DecodeLabelImage(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// DecodeLabelImage reads a PNG file of 8-bit gray (PIL's mode L), whose levels are the labels, or
// with a palette (mode P), whose indices are; the palette's colours do not matter. The error
// wraps [graph.ErrUnsupported] for other PNG files, or [preprocess.ErrImage]: an image has no
// more pixels than [preprocess.Decode] allows.
func DecodeLabelImage(data []byte) (*LabelImage, error) {
	img, err := preprocess.DecodeContext(context.Background(), data)
	if err != nil {
		return nil, err
	}
	const gray, palette = 0, 3 // colour types
	depth, kind := 0, -1       // of a file that is no PNG
	if len(data) > 25 && data[0] == 0x89 {
		depth, kind = int(data[24]), int(data[25])
	}
	if kind != palette && (kind != gray || depth != 8) {
		return nil, fmt.Errorf("%w: a label image of %s, expected a PNG file of 8-bit gray or with a palette", graph.ErrUnsupported, describe(depth, kind))
	}
	b := img.Bounds()
	m := &LabelImage{Height: b.Dy(), Width: b.Dx(), Labels: make([]uint8, 0, b.Dx()*b.Dy())}
	for y := b.Min.Y; y < b.Max.Y; y++ {
		switch img := img.(type) {
		case *image.Gray:
			m.Labels = append(m.Labels, img.Pix[img.PixOffset(b.Min.X, y):][:m.Width]...)
		case *image.Paletted:
			m.Labels = append(m.Labels, img.Pix[img.PixOffset(b.Min.X, y):][:m.Width]...)
		case *image.NRGBA: // gray of which one level is transparent
			for x := range m.Width {
				m.Labels = append(m.Labels, img.Pix[img.PixOffset(b.Min.X+x, y)])
			}
		default:
			return nil, fmt.Errorf("%w: a label image of %s", graph.ErrUnsupported, describe(depth, kind))
		}
	}
	return m, nil
}

// describe names the pixels of a PNG file.
func describe(depth, kind int) string {
	switch kind {
	case 0:
		return fmt.Sprintf("%d-bit gray", depth)
	case 2:
		return fmt.Sprintf("%d-bit RGB", depth)
	case 4:
		return fmt.Sprintf("%d-bit gray and alpha", depth)
	case 6:
		return fmt.Sprintf("%d-bit RGBA", depth)
	}
	return "JPEG, which changes labels"
}
