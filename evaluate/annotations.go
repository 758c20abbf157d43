package evaluate

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/infile"
	"github.com/repvit-go/repvit/mask"
)

// ErrAnnotations is wrapped by errors about a file of annotations.
var ErrAnnotations = errors.New("malformed annotations")

// Limits of a file of annotations.
const (
	maxAnnotationBytes = 1 << 30
	maxCoordinate      = 1 << 24 // of boxes
	baseTravel         = 1 << 26 // columns of pixels that all polygons may cross, and
	travelPerByte      = 64      // more for each byte of the file
)

// Annotations are the objects of a set of images, as a COCO file has them.
type Annotations struct {
	Images     []AnnotatedImage // by id
	Categories []Category       // in the file's order; a network's label is the position here
	masks      bool
	objects    map[int64]map[int][]object // by image and label
}

// AnnotatedImage is an image of [Annotations].
type AnnotatedImage struct {
	ID            int64
	File          string // relative to the folder of images
	Height, Width int
}

// Category is what an object can be.
type Category struct {
	ID   int64 // as the file numbers it; ids may have holes
	Name string
}

// object is one annotation.
type object struct {
	box   [4]float64 // x, y, width and height
	area  float64
	crowd bool // a region of many objects
	mask  mask.Mask
}

// cocoFile is the JSON of COCO's instances.
type cocoFile struct {
	Images []struct {
		ID     *int64 `json:"id"`
		File   string `json:"file_name"`
		Height int    `json:"height"`
		Width  int    `json:"width"`
	} `json:"images"`
	Categories []struct {
		ID   *int64 `json:"id"`
		Name string `json:"name"`
	} `json:"categories"`
	Annotations []cocoAnnotation `json:"annotations"`
}

type cocoAnnotation struct {
	ID           *int64          `json:"id"`
	Image        *int64          `json:"image_id"`
	Category     *int64          `json:"category_id"`
	Box          []float64       `json:"bbox"`
	Area         *float64        `json:"area"`
	Crowd        int             `json:"iscrowd"`
	Segmentation json.RawMessage `json:"segmentation"`
}

// ReadAnnotations is [ParseAnnotations] of a file.
func ReadAnnotations(path string, masks bool) (*Annotations, error) {
	f, err := infile.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxAnnotationBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxAnnotationBytes {
		return nil, fmt.Errorf("%s: %w: found more than %d bytes", path, graph.ErrTooLarge, maxAnnotationBytes)
	}
	return ParseAnnotations(path, data, masks)
}

// ParseAnnotations reads COCO's JSON: images, categories and annotations with id, image_id,
// category_id, bbox, area and iscrowd (0 where it is not there). With masks, segmentation is read
// as well: polygons, or run lengths as list or string. The error wraps [ErrAnnotations], or
// [graph.ErrTooLarge] where polygons are more work than the file's size explains, and begins with
// the name.
func ParseAnnotations(name string, data []byte, masks bool) (*Annotations, error) {
	a, err := parseAnnotations(data, masks)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return a, nil
}

func parseAnnotations(data []byte, masks bool) (*Annotations, error) {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %w", ErrAnnotations, fmt.Errorf(format, args...))
	}
	var file cocoFile
	if err := json.Unmarshal(data, &file); err != nil {
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			return nil, bad("byte %d: %w", syntax.Offset, err)
		}
		return nil, bad("%w", err)
	}
	if len(file.Images) == 0 || len(file.Categories) == 0 {
		return nil, bad("found %d images and %d categories, expected the JSON of COCO's instances", len(file.Images), len(file.Categories))
	}
	a := &Annotations{masks: masks, objects: map[int64]map[int][]object{}}
	images, labels := map[int64]AnnotatedImage{}, map[int64]int{}
	for i, m := range file.Images {
		switch {
		case m.ID == nil:
			return nil, bad("images[%d] has no id", i)
		case m.Height < 1 || m.Width < 1 || m.Height > maxCoordinate || m.Width > maxCoordinate:
			return nil, bad("image %d has %d×%d pixels, expected 1 to %d", *m.ID, m.Height, m.Width, maxCoordinate)
		case m.File != "" && !filepath.IsLocal(m.File):
			return nil, bad("image %d has the file_name %q, expected a path inside the folder of images", *m.ID, clip(m.File))
		}
		if _, twice := images[*m.ID]; twice {
			return nil, bad("found the image %d twice, expected each id once", *m.ID)
		}
		images[*m.ID] = AnnotatedImage{*m.ID, m.File, m.Height, m.Width}
		a.Images = append(a.Images, images[*m.ID])
	}
	slices.SortFunc(a.Images, func(x, y AnnotatedImage) int { return cmp.Compare(x.ID, y.ID) })
	for i, c := range file.Categories {
		if c.ID == nil {
			return nil, bad("categories[%d] has no id", i)
		}
		if _, twice := labels[*c.ID]; twice {
			return nil, bad("found the category %d twice, expected each id once", *c.ID)
		}
		labels[*c.ID] = i
		a.Categories = append(a.Categories, Category{*c.ID, c.Name})
	}
	travel := baseTravel + travelPerByte*float64(len(data))
	seen := make(map[int64]bool, len(file.Annotations))
	for i, n := range file.Annotations {
		if n.ID == nil || n.Image == nil || n.Category == nil {
			return nil, bad("annotations[%d] lacks one of id, image_id and category_id", i)
		}
		if seen[*n.ID] {
			return nil, bad("found the annotation %d twice, expected each id once", *n.ID)
		}
		seen[*n.ID] = true
		m, ok := images[*n.Image]
		if !ok {
			return nil, bad("annotation %d names the image %d, which is not there", *n.ID, *n.Image)
		}
		label, ok := labels[*n.Category]
		if !ok {
			return nil, bad("annotation %d names the category %d, which is not there", *n.ID, *n.Category)
		}
		o, err := n.object()
		if err != nil {
			return nil, bad("annotation %d: %w", *n.ID, err)
		}
		if masks {
			if o.mask, err = n.mask(m.Height, m.Width, &travel); errors.Is(err, graph.ErrTooLarge) {
				return nil, fmt.Errorf("annotation %d: %w", *n.ID, err)
			} else if err != nil {
				return nil, bad("annotation %d: %w", *n.ID, err)
			}
		}
		if a.objects[*n.Image] == nil {
			a.objects[*n.Image] = map[int][]object{}
		}
		a.objects[*n.Image][label] = append(a.objects[*n.Image][label], o)
	}
	return a, nil
}

// object reads all but the mask.
func (n *cocoAnnotation) object() (o object, err error) {
	if len(n.Box) != 4 {
		return o, fmt.Errorf("bbox has %d numbers, expected x, y, width and height", len(n.Box))
	}
	for i, v := range n.Box {
		if math.Abs(v) > maxCoordinate || i >= 2 && v < 0 {
			return o, fmt.Errorf("bbox %v, expected x, y, width and height of at most %d, and no negative size", n.Box, maxCoordinate)
		}
	}
	if n.Area == nil || *n.Area < 0 {
		return o, errors.New("no area, or a negative one, expected the number of the object's pixels")
	}
	if n.Crowd != 0 && n.Crowd != 1 {
		return o, fmt.Errorf("iscrowd %d, expected 0 or 1", n.Crowd)
	}
	return object{box: [4]float64(n.Box), area: *n.Area, crowd: n.Crowd == 1}, nil
}

// mask reads a segmentation. What its polygons cost is taken off travel.
func (n *cocoAnnotation) mask(height, width int, travel *float64) (mask.Mask, error) {
	text := bytes.TrimSpace(n.Segmentation)
	if len(text) > 0 && text[0] == '[' {
		var polygons [][]float64
		if err := json.Unmarshal(text, &polygons); err != nil {
			return mask.Mask{}, fmt.Errorf("segmentation: %w", err)
		}
		if len(polygons) == 0 {
			return mask.Mask{}, errors.New("segmentation has no polygon")
		}
		for _, p := range polygons {
			for i := range len(p) / 2 {
				next := p[(2*i+2)%len(p)]
				*travel -= 1 + min(math.Abs(next-p[2*i]), float64(width))
			}
		}
		if *travel < 0 {
			return mask.Mask{}, fmt.Errorf("%w: the polygons cross more than %d columns of pixels and %d for each byte of the file", graph.ErrTooLarge, baseTravel, travelPerByte)
		}
		return mask.FromPolygons(height, width, polygons)
	}
	if len(text) == 0 || text[0] != '{' {
		return mask.Mask{}, fmt.Errorf("segmentation %q, expected polygons or run lengths", clip(string(text)))
	}
	var runs struct {
		Size   []int           `json:"size"`
		Counts json.RawMessage `json:"counts"`
	}
	if err := json.Unmarshal(text, &runs); err != nil {
		return mask.Mask{}, fmt.Errorf("segmentation: %w", err)
	}
	if len(runs.Size) != 2 || runs.Size[0] != height || runs.Size[1] != width {
		return mask.Mask{}, fmt.Errorf("segmentation has the size %v, expected the image's, [%d %d]", runs.Size, height, width)
	}
	if len(runs.Counts) > 0 && runs.Counts[0] == '"' {
		var text string
		if err := json.Unmarshal(runs.Counts, &text); err != nil {
			return mask.Mask{}, fmt.Errorf("segmentation: %w", err)
		}
		return mask.Parse(height, width, text)
	}
	var counts []int64
	if err := json.Unmarshal(runs.Counts, &counts); err != nil {
		return mask.Mask{}, fmt.Errorf("segmentation's counts: %w", err)
	}
	return mask.FromCounts(height, width, counts)
}
