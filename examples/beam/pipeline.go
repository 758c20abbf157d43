package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"

	"github.com/repvit-go/repvit/detect"
	"github.com/repvit-go/repvit/evaluate"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/mask"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/segment"
)

func init() {
	register.DoFn3x1[context.Context, evaluate.Label, func(evaluate.Accuracy), error](&classify{})
	register.DoFn3x1[context.Context, string, func(evaluate.Segmentation), error](&segmentImage{})
	register.DoFn3x1[context.Context, evaluate.AnnotatedImage, func(int, objects), error](&detectObjects{})
	register.DoFn2x1[int, func(*objects) bool, error](&average{})
	register.DoFn1x1[evaluate.Accuracy, error](&writeAccuracy{})
	register.DoFn1x1[evaluate.Segmentation, error](&writeSegmentation{})
	register.Function2x1(addAccuracy)
	register.Function2x2(addSegmentation)
	register.Emitter1[evaluate.Accuracy]()
	register.Emitter1[evaluate.Segmentation]()
	register.Emitter2[int, objects]()
	register.Iter1[objects]()
}

// options are the command's. Workers get them as JSON.
type options struct {
	Model, Images, Labels, Masks, Annotations, Output string
}

// build adds the evaluation to a pipeline: images are spread over the workers, which open the network
// once each, and counts are merged on their way.
func (o options) build(s beam.Scope) error {
	switch {
	case o.Labels != "" && o.Masks+o.Annotations == "":
		text, err := os.ReadFile(o.Labels)
		if err != nil {
			return err
		}
		session, err := infer.Open(o.Model, infer.Options{})
		if err != nil {
			return err
		}
		defer session.Close()
		names, err := session.Labels()
		if err != nil {
			return err
		}
		labels, err := evaluate.ParseLabels(o.Labels, text, 0, names)
		if err != nil {
			return err
		}
		counts := beam.ParDo(s, &classify{options: o}, beam.Reshuffle(s, beam.CreateList(s, labels)))
		beam.ParDo0(s, &writeAccuracy{o}, beam.Combine(s, addAccuracy, counts))
	case o.Masks != "" && o.Labels+o.Annotations == "":
		masks, err := filepath.Glob(filepath.Join(o.Masks, "*.png"))
		if err != nil {
			return err
		}
		if len(masks) == 0 {
			return fmt.Errorf("%s: found no label images", o.Masks)
		}
		counts := beam.ParDo(s, &segmentImage{options: o}, beam.Reshuffle(s, beam.CreateList(s, masks)))
		beam.ParDo0(s, &writeSegmentation{o}, beam.Combine(s, addSegmentation, counts))
	case o.Annotations != "" && o.Labels+o.Masks == "":
		a, err := evaluate.ReadAnnotations(o.Annotations, false)
		if err != nil {
			return err
		}
		found := beam.ParDo(s, &detectObjects{options: o}, beam.Reshuffle(s, beam.CreateList(s, a.Images)))
		beam.ParDo0(s, &average{o}, beam.GroupByKey(s, found))
	default:
		return errors.New("expected one of --labels, --masks and --coco")
	}
	return nil
}

// classify counts right answers.
type classify struct {
	options
	session *infer.Session
	config  preprocess.Config
}

// Setup opens the network, once for each worker.
func (f *classify) Setup() (err error) {
	if f.session, err = infer.Open(f.Model, infer.Options{}); err == nil {
		f.config, err = f.session.Preprocess()
	}
	return err
}

// ProcessElement classifies one image.
func (f *classify) ProcessElement(ctx context.Context, l evaluate.Label, emit func(evaluate.Accuracy)) error {
	path := filepath.Join(f.Images, l.File)
	img, err := preprocess.Open(path)
	if err != nil {
		return err
	}
	x, err := f.config.Tensor(img)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	y, err := f.session.Run(ctx, x)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if l.Class >= y.Len() {
		return fmt.Errorf("%s: found class %d of a network with %d", l.File, l.Class, y.Len())
	}
	var a evaluate.Accuracy
	a.Add(y.Float64s(), l.Class)
	emit(a)
	return nil
}

// Teardown closes the network.
func (f *classify) Teardown() error { return f.session.Close() }

func addAccuracy(a, b evaluate.Accuracy) evaluate.Accuracy {
	a.Merge(b)
	return a
}

type writeAccuracy struct{ options }

// ProcessElement writes the figures.
func (f *writeAccuracy) ProcessElement(a evaluate.Accuracy) error {
	top1, top5 := a.Shares()
	return f.write(map[string]any{"images": a.Images, "top1": top1, "top5": top5})
}

// segmentImage counts pixels.
type segmentImage struct {
	options
	network *segment.Segmenter
	classes int
}

// Setup opens the network, once for each worker.
func (f *segmentImage) Setup() error {
	session, err := infer.Open(f.Model, infer.Options{})
	if err != nil {
		return err
	}
	if f.network, err = segment.New(session); err != nil {
		session.Close()
		return fmt.Errorf("%s: %w", f.Model, err)
	}
	f.classes, err = segment.Classes(session.Graph())
	return err
}

// ProcessElement looks at the image of a label image, which has the same name.
func (f *segmentImage) ProcessElement(ctx context.Context, maskPath string, emit func(evaluate.Segmentation)) error {
	want, err := evaluate.ReadLabelImage(maskPath)
	if err != nil {
		return err
	}
	name := strings.TrimSuffix(filepath.Base(maskPath), ".png")
	var found []string
	for _, extension := range []string{".png", ".jpg", ".jpeg"} {
		if path := filepath.Join(f.Images, name+extension); exists(path) {
			found = append(found, path)
		}
	}
	if len(found) != 1 {
		return fmt.Errorf("%s: found %d images of that name in %s, expected one", maskPath, len(found), f.Images)
	}
	img, err := preprocess.OpenUpright(found[0])
	if err != nil {
		return err
	}
	m, err := f.network.Segment(ctx, img)
	if err != nil {
		return fmt.Errorf("%s: %w", found[0], err)
	}
	got := make([]int64, len(m.Pix))
	for i, class := range m.Pix {
		got[i] = int64(class)
	}
	one, err := evaluate.NewSegmentation(f.classes)
	if err != nil {
		return err
	}
	if err := one.Add(got, want); err != nil {
		return fmt.Errorf("%s: %w", found[0], err)
	}
	emit(*one)
	return nil
}

// Teardown closes the network.
func (f *segmentImage) Teardown() error { return f.network.Close() }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func addSegmentation(a, b evaluate.Segmentation) (evaluate.Segmentation, error) {
	a.Counts = slices.Clone(a.Counts) // the runner's
	err := a.Merge(&b)
	return a, err
}

type writeSegmentation struct{ options }

// ProcessElement writes the figures.
func (f *writeSegmentation) ProcessElement(s evaluate.Segmentation) error {
	network, err := segment.Open(f.Model, infer.Options{})
	if err != nil {
		return err
	}
	defer network.Close()
	return f.write(s.Result(network.Labels()))
}

// objects are what a network finds in an image, in a form that travels.
type objects struct {
	Image         int64
	Height, Width int // of masks; 0 where there are none
	Boxes         [][]float64
	Scores        []float64
	Classes       []int
	Masks         []string // as COCO's files have them
}

// detectObjects finds them.
type detectObjects struct {
	options
	network *detect.Detector
}

// Setup opens the network, once for each worker.
func (f *detectObjects) Setup() (err error) {
	f.network, err = detect.Open(f.Model, infer.Options{})
	return err
}

// ProcessElement looks at one image.
func (f *detectObjects) ProcessElement(ctx context.Context, m evaluate.AnnotatedImage, emit func(int, objects)) error {
	path := filepath.Join(f.Images, m.File)
	img, err := preprocess.OpenUpright(path)
	if err != nil {
		return err
	}
	found, err := f.network.Detect(ctx, img)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	o := objects{Image: m.ID}
	for _, d := range found {
		o.Boxes, o.Scores, o.Classes = append(o.Boxes, d.Box[:]), append(o.Scores, d.Score), append(o.Classes, d.Class)
		if h, w := d.Mask.Size(); h*w > 0 {
			o.Height, o.Width = h, w
			o.Masks = append(o.Masks, d.Mask.String())
		}
	}
	emit(0, o)
	return nil
}

// Teardown closes the network.
func (f *detectObjects) Teardown() error { return f.network.Close() }

// average holds what was found against the annotations: in one place, because precision is taken over all
// detections by their scores.
type average struct{ options }

// ProcessElement gets all images.
func (f *average) ProcessElement(_ int, next func(*objects) bool) error {
	session, err := infer.Open(f.Model, infer.Options{})
	if err != nil {
		return err
	}
	defer session.Close()
	names, err := session.Labels()
	if err != nil {
		return err
	}
	a, err := evaluate.ReadAnnotations(f.Annotations, len(session.Graph().Outputs) > 2) // with masks
	if err != nil {
		return err
	}
	labels, err := a.Labels(names)
	if err != nil {
		return err
	}
	p := evaluate.NewAveragePrecision(a)
	var o objects
	for next(&o) {
		var found []detect.Detection
		for i, class := range o.Classes {
			d := detect.Detection{Box: [4]float64(o.Boxes[i]), Score: o.Scores[i], Class: class}
			if labels != nil {
				d.Class = labels[class]
			}
			if len(o.Masks) > 0 {
				if d.Mask, err = mask.Parse(o.Height, o.Width, o.Masks[i]); err != nil {
					return err
				}
			}
			found = append(found, d)
		}
		if err := p.Add(o.Image, found); err != nil {
			return err
		}
	}
	return f.write(p.Result())
}

// write writes figures as a line of JSON.
func (o options) write(figures any) error {
	text, err := json.Marshal(figures)
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if o.Output == "-" {
		_, err = os.Stdout.Write(text)
		return err
	}
	return os.WriteFile(o.Output, text, 0o644)
}
