package evaluate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"math"
	"path/filepath"
	"strings"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/finite"
	"github.com/repvit-go/repvit/preprocess"
)

// Segmentation counts the pixels of each class that a network took for each class: one confusion
// matrix over all images. [NewSegmentation] makes one; the fields are there to be stored and sent.
type Segmentation struct {
	Images  int
	Classes int
	Counts  []int64 // Classes×Classes, by truth, then by prediction
}

// NewSegmentation returns the counts of no image for a network of 1 to 255 classes. The error wraps
// [graph.ErrUnsupported] for others: label images tell no more apart.
func NewSegmentation(classes int) (*Segmentation, error) {
	if classes < 1 || classes > Ignored {
		return nil, fmt.Errorf("%w: %d classes, expected 1 to %d, as many as label images have", graph.ErrUnsupported, classes, Ignored)
	}
	return &Segmentation{Classes: classes, Counts: make([]int64, classes*classes)}, nil
}

// Add adds an image by the classes that the network gives its pixels, and their labels. Pixels
// labelled [Ignored] do not count. The error wraps [graph.ErrShape] where the pixels are not as
// many or the network's classes not those of [NewSegmentation], and [ErrLabels] for other labels;
// then nothing is added.
func (s *Segmentation) Add(got []int64, want *LabelImage) error {
	if err := s.check(); err != nil {
		return err
	}
	if len(got) != len(want.Labels) {
		return fmt.Errorf("%w: classes of %d pixels for labels of %d×%d", graph.ErrShape, len(got), want.Height, want.Width)
	}
	for i, label := range want.Labels {
		if label != Ignored && int(label) >= s.Classes {
			return fmt.Errorf("%w: found the label %d at row %d, column %d, expected one below %d, the number of classes, or %d", ErrLabels, label, i/want.Width, i%want.Width, s.Classes, Ignored)
		}
		if got[i] < 0 || got[i] >= int64(s.Classes) {
			return fmt.Errorf("%w: the network's class %d at row %d, column %d, expected one below %d", graph.ErrShape, got[i], i/want.Width, i%want.Width, s.Classes)
		}
	}
	s.Images++
	for i, label := range want.Labels {
		if label != Ignored {
			s.Counts[int(label)*s.Classes+int(got[i])]++
		}
	}
	return nil
}

// Merge adds the images that another has counted. The error wraps [graph.ErrShape] where it has
// other classes.
func (s *Segmentation) Merge(b *Segmentation) error {
	if s.Classes != b.Classes {
		return fmt.Errorf("%w: counts of %d classes, expected %d", graph.ErrShape, b.Classes, s.Classes)
	}
	if err := errors.Join(s.check(), b.check()); err != nil {
		return err
	}
	s.Images += b.Images
	for i, n := range b.Counts {
		s.Counts[i] += n
	}
	return nil
}

// check holds what may come from elsewhere to be a matrix.
func (s *Segmentation) check() error {
	if s.Classes < 0 || s.Classes > Ignored || len(s.Counts) != s.Classes*s.Classes {
		return fmt.Errorf("%w: %d counts for %d classes, expected the square", graph.ErrShape, len(s.Counts), s.Classes)
	}
	return nil
}

// SegmentationResult is what [Segmentation] counted. Shares are between 0 and 1; NaN for no
// pixels.
type SegmentationResult struct {
	Images        int      // without those left out
	Broken        []Broken // those left out
	MIoU          float64  // mean of the classes that occur in the labels or in the network's answers
	PixelAccuracy float64  // share of pixels whose class is right
	Classes       []ClassIoU
}

// ClassIoU is one class of a [SegmentationResult].
type ClassIoU struct {
	Name     string
	IoU      float64 // pixels that are right, over those that are or were taken for the class
	Accuracy float64 // pixels that are right, over those that are of the class
}

// Result returns the figures; names are those of the classes, or nil.
func (s *Segmentation) Result(names []string) *SegmentationResult {
	r := &SegmentationResult{Images: s.Images}
	var right, all, present int64
	sum := 0.0
	for k := range s.Classes {
		hit := s.Counts[k*s.Classes+k]
		var truth, predicted int64
		for i := range s.Classes {
			truth += s.Counts[k*s.Classes+i]
			predicted += s.Counts[i*s.Classes+k]
		}
		right, all = right+hit, all+truth
		c := ClassIoU{IoU: ratio(hit, truth+predicted-hit), Accuracy: ratio(hit, truth)}
		if k < len(names) {
			c.Name = names[k]
		}
		if truth+predicted > 0 {
			present++
			sum += c.IoU
		}
		r.Classes = append(r.Classes, c)
	}
	r.MIoU, r.PixelAccuracy = sum/float64(present), ratio(right, all)
	return r
}

// ratio is NaN where there is nothing to divide by.
func ratio(n, of int64) float64 {
	if of == 0 {
		return math.NaN()
	}
	return float64(n) / float64(of)
}

// MarshalJSON encodes r as the commands print it; figures of no pixels are null.
func (r SegmentationResult) MarshalJSON() ([]byte, error) {
	type class struct {
		Class    int      `json:"class"`
		Name     string   `json:"name,omitempty"`
		IoU      *float64 `json:"iou"`
		Accuracy *float64 `json:"accuracy"`
	}
	var classes []class
	for i, c := range r.Classes {
		classes = append(classes, class{i, c.Name, finite.OrNil(c.IoU), finite.OrNil(c.Accuracy)})
	}
	return json.Marshal(struct {
		Images        int         `json:"images"`
		Broken        *brokenJSON `json:"broken,omitempty"`
		MIoU          *float64    `json:"miou"`
		PixelAccuracy *float64    `json:"pixel_accuracy"`
		Classes       []class     `json:"classes"`
	}{r.Images, brokenOrNil(r.Broken), finite.OrNil(r.MIoU), finite.OrNil(r.PixelAccuracy), classes})
}

// SegmentationImages says what [RunSegmentation] runs on what.
type SegmentationImages struct {
	// Segment returns the class of every pixel of an image, row by row; see
	// [preprocess.Placement.Classes].
	Segment func(ctx context.Context, img image.Image) ([]int64, error)
	Classes int
	Names   []string // of the classes, or nil
	// Dir is the folder of images and Masks that of their label images, which have
	// the same names with the extension .png.
	Dir, Masks string
	// ReduceZeroLabel is for label images that count from 1; see [LabelImage.ReduceZeroLabel].
	ReduceZeroLabel bool
	// Strict makes the first image that cannot be decoded an error; else it is left out.
	Strict bool
	// Seen, where it is not nil, is called with every image that was measured, what the network sees in it
	// and what its label image says. Its error ends the run.
	Seen func(file string, img image.Image, got []int64, want *LabelImage) error
	// Progress, where it is not nil, is called after every image.
	Progress func(done, total int)
}

// RunSegmentation measures a network on a folder of images. Those that cannot be decoded are left
// out, unless that is all of them; label images have to be whole. The error names the file concerned, and
// is one of [NewSegmentation], [Segmentation.Add] and [ReadLabelImage], of package preprocess, of
// Segment, or that of ctx.
func RunSegmentation(ctx context.Context, o SegmentationImages) (*SegmentationResult, error) {
	s, err := NewSegmentation(o.Classes)
	if err != nil {
		return nil, err
	}
	files, err := imagesIn(o.Dir)
	if err != nil {
		return nil, err
	}
	var broken []Broken
	for i, name := range files {
		maskName := strings.TrimSuffix(name, filepath.Ext(name)) + ".png"
		want, err := ReadLabelImage(filepath.Join(o.Masks, maskName))
		if err != nil {
			return nil, err
		}
		if o.ReduceZeroLabel {
			want.ReduceZeroLabel()
		}
		err = eachImage(ctx, o.Dir, name, o.Strict, &broken, func(img image.Image) error {
			if b := img.Bounds(); b.Dx() != want.Width || b.Dy() != want.Height {
				return fmt.Errorf("%w: found %d×%d pixels, expected %d×%d as in its label image %s", graph.ErrShape, b.Dy(), b.Dx(), want.Height, want.Width, maskName)
			}
			got, err := o.Segment(ctx, img)
			if err != nil {
				return err
			}
			if err := s.Add(got, want); err != nil || o.Seen == nil {
				return err
			}
			return o.Seen(name, img, got, want)
		})
		if err != nil {
			return nil, err
		}
		if o.Progress != nil {
			o.Progress(i+1, len(files))
		}
	}
	r := s.Result(o.Names)
	r.Broken = broken
	if err := noneLeft(o.Dir, r.Images, broken); err != nil {
		return nil, err
	}
	return r, nil
}

// eachImage opens an image and does something with it, or adds it to those that are left out. The
// error names the file.
func eachImage(ctx context.Context, dir, name string, strict bool, broken *[]Broken, do func(image.Image) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	path := filepath.Join(dir, name)
	img, err := preprocess.OpenUpright(path)
	if err != nil && !strict {
		return leaveOut(broken, dir, name, err)
	} else if err != nil {
		return err
	}
	if err := do(img); err != nil {
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return err
		}
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
