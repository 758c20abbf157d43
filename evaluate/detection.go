package evaluate

import (
	"context"
	"fmt"
	"image"
	"slices"

	"github.com/repvit-go/repvit/detect"
	"github.com/repvit-go/repvit/graph"
)

// DetectionImages says what [RunDetection] runs on what.
type DetectionImages struct {
	// Detect returns what a network finds in an image, in the image's pixels, such as by
	// [detect.Read]; classes are the network's.
	Detect func(ctx context.Context, img image.Image) ([]detect.Detection, error)
	Names  []string // of the network's classes, or nil
	// Dir is the folder of images that the annotations name.
	Dir         string
	Annotations *Annotations
	// Strict makes the first image that cannot be decoded an error; else it is left out.
	Strict bool
	// Seen, where it is not nil, is called with every image that was measured and what the network finds in
	// it, in the network's classes. Its error ends the run.
	Seen func(file string, img image.Image, found []detect.Detection) error
	// Progress, where it is not nil, is called after every image.
	Progress func(done, total int)
}

// RunDetection measures a network on all images of a set of annotations. Its labels are found
// among the categories by their names, or, where it has none, are their positions. Images that
// cannot be decoded are left out with their annotations, unless that is all of them. The error
// names the file concerned, and wraps [ErrAnnotations] where an image has no file name,
// [graph.ErrShape] where the network and the annotations do not fit each other, or is of package
// preprocess, of Detect, or that of ctx.
func RunDetection(ctx context.Context, o DetectionImages) (*DetectionResult, error) {
	labels, err := o.Annotations.Labels(o.Names)
	if err != nil {
		return nil, err
	}
	p := NewAveragePrecision(o.Annotations)
	var broken []Broken
	for i, m := range o.Annotations.Images {
		if m.File == "" {
			return nil, fmt.Errorf("%w: image %d has no file_name", ErrAnnotations, m.ID)
		}
		err := eachImage(ctx, o.Dir, m.File, o.Strict, &broken, func(img image.Image) error {
			if b := img.Bounds(); b.Dx() != m.Width || b.Dy() != m.Height {
				return fmt.Errorf("%w: found %d×%d pixels, expected %d×%d as in the annotations", graph.ErrShape, b.Dy(), b.Dx(), m.Height, m.Width)
			}
			found, err := o.Detect(ctx, img)
			if err != nil {
				return err
			}
			if o.Seen != nil {
				if err := o.Seen(m.File, img, found); err != nil {
					return err
				}
			}
			if labels != nil {
				found = slices.Clone(found)
				for k, d := range found {
					if d.Class < 0 || d.Class >= len(labels) {
						return fmt.Errorf("%w: detection %d has the class %d, expected one of the network's %d", graph.ErrShape, k, d.Class, len(labels))
					}
					found[k].Class = labels[d.Class]
				}
			}
			return p.Add(m.ID, found)
		})
		if err != nil {
			return nil, err
		}
		if o.Progress != nil {
			o.Progress(i+1, len(o.Annotations.Images))
		}
	}
	r := p.Result()
	r.Broken = broken
	if err := noneLeft(o.Dir, r.Images, broken); err != nil {
		return nil, err
	}
	return r, nil
}

// Labels returns the categories, by their positions, of a network's classes, by their names; nil for no
// names, where they are the same. The error wraps [graph.ErrShape] for a name that is none of the
// categories' or several's.
func (a *Annotations) Labels(names []string) ([]int, error) {
	var labels []int
	for i, name := range names {
		same := func(c Category) bool { return c.Name == name }
		at := slices.IndexFunc(a.Categories, same)
		if at < 0 {
			return nil, fmt.Errorf("%w: the network's class %d, %q, is none of the annotations' categories", graph.ErrShape, i, clip(name))
		}
		if slices.ContainsFunc(a.Categories[at+1:], same) {
			return nil, fmt.Errorf("%w: several of the annotations' categories are named %q", graph.ErrShape, clip(name))
		}
		labels = append(labels, at)
	}
	return labels, nil
}
