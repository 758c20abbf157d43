package verifycmd

import (
	"fmt"
	"image"
	"io"
	"path/filepath"

	urfave "github.com/urfave/cli/v2"

	"github.com/repvit-go/repvit/detect"
	"github.com/repvit-go/repvit/evaluate"
	"github.com/repvit-go/repvit/internal/cli"
	"github.com/repvit-go/repvit/internal/draw"
	"github.com/repvit-go/repvit/internal/printable"
	"github.com/repvit-go/repvit/internal/seen"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/report"
	"github.com/repvit-go/repvit/segment"
)

// evaluateDense measures a segmenter by label images, or a detector by annotations.
func evaluateDense(c *urfave.Context, cfg *config) error {
	path, err := one(c)
	if err != nil {
		return err
	}
	n, fit, err := openDense(cfg, path)
	if err != nil {
		return err
	}
	defer n.Close()
	progress := cli.NewProgress(c.App.ErrWriter, cfg.quiet, c.Bool("progress"))
	defer progress.Done()
	run := n.evaluateMasks
	if cfg.coco != "" {
		run = n.evaluateCOCO
	}
	d := cfg.newReport(fmt.Sprintf("%s on %s", filepath.Base(n.Path), filepath.Base(cfg.images)))
	d.Summary = n.rows()
	r, err := run(c, cfg, fit, d, func(done, total int) { progress.Update("evaluate", done, total) })
	if err != nil {
		return err
	}
	progress.Done()
	if cfg.report != "" {
		if err := cli.WriteReport(cfg.report, d); err != nil {
			return err
		}
	}
	switch {
	case cfg.json:
		return cli.PrintJSON(c.App.Writer, r)
	case !cfg.quiet:
		r.print(c.App.Writer)
	}
	return nil
}

// openDense opens and starts a network that sees whole images.
func openDense(cfg *config, path string) (*network, preprocess.Fit, error) {
	n, err := openNetwork(cfg, path)
	if err != nil {
		return nil, preprocess.Fit{}, err
	}
	fit, ok := n.Fit()
	if !ok {
		n.Close()
		return nil, fit, fmt.Errorf("%s: found a network of which nothing says how whole images become its input, expected a segmenter or detector", path)
	}
	if cfg.height > 0 {
		fit = fit.Sized(cfg.height, cfg.width)
	}
	if err := n.start(cfg, nil); err != nil {
		n.Close()
		return nil, fit, err
	}
	return n, fit.For(n.Graph.Inputs[0].Type.Shape), nil
}

// denseResult is what an evaluation found.
type denseResult interface{ print(io.Writer) }

// shownPictures bounds the images that a report begins with.
const shownPictures = 12

// picture adds what the network sees in an image to a report, until there are enough. Want may be nil.
func (cfg *config) picture(d *report.Data, file string, got, want func() (image.Image, error)) error {
	if cfg.report == "" || len(d.Pictures) == shownPictures {
		return nil
	}
	p := report.Picture{File: file}
	for _, one := range []struct {
		draw func() (image.Image, error)
		to   *[]byte
	}{{got, &p.Got}, {want, &p.Want}} {
		if one.draw == nil {
			continue
		}
		m, err := one.draw()
		if err != nil {
			return err
		}
		if *one.to, err = report.Shrink(m); err != nil {
			return err
		}
	}
	d.Pictures = append(d.Pictures, p)
	return nil
}

// evaluateMasks measures a segmenter, also for a report.
func (n *network) evaluateMasks(c *urfave.Context, cfg *config, fit preprocess.Fit, d *report.Data, progress func(done, total int)) (denseResult, error) {
	classes, err := segment.Classes(n.Graph)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.Path, err)
	}
	r, err := evaluate.RunSegmentation(c.Context, evaluate.SegmentationImages{
		Segment: evaluate.Segmenter(n.engine, fit), Classes: classes, Names: n.labels(), Dir: cfg.images, Masks: cfg.masks, ReduceZeroLabel: cfg.reduceZeroLabel, Strict: cfg.strict, Progress: progress,
		Seen: func(file string, img image.Image, got []int64, want *evaluate.LabelImage) error {
			return cfg.picture(d, file, func() (image.Image, error) { return draw.Classes(img, got, n.names()) },
				func() (image.Image, error) { return draw.Classes(img, want.Classes(), n.names()) })
		}})
	if err != nil {
		return nil, err
	}
	d.Segmentation = r
	d.Verdict.Text = fmt.Sprintf("mIoU is %.2f %%, pixel accuracy %.2f %% on %s.", 100*r.MIoU, 100*r.PixelAccuracy, imageCount(r.Images, r.Broken))
	return segmentation{r, n.Path}, nil
}

// evaluateCOCO measures a detector, also for a report.
func (n *network) evaluateCOCO(c *urfave.Context, cfg *config, fit preprocess.Fit, d *report.Data, progress func(done, total int)) (denseResult, error) {
	if !n.isDetector() {
		return nil, fmt.Errorf("%s: found no outputs named dets and labels, expected a detector's", n.Path)
	}
	annotations, err := evaluate.ReadAnnotations(cfg.coco, len(n.Graph.Outputs) > 2)
	if err != nil {
		return nil, err
	}
	r, err := evaluate.RunDetection(c.Context, evaluate.DetectionImages{
		Detect: evaluate.Detector(n.engine, fit), Names: n.labels(), Dir: cfg.images, Annotations: annotations, Strict: cfg.strict, Progress: progress,
		Seen: func(file string, img image.Image, found []detect.Detection) error {
			return cfg.picture(d, file, func() (image.Image, error) { return seen.ObjectsOf(img.Bounds().Size(), found, n.names()).Picture(img) }, nil)
		}})
	if err != nil {
		return nil, err
	}
	d.Detection = r
	d.Verdict.Text = fmt.Sprintf("AP of boxes is %s, of masks %s on %s.", share(r.Boxes.AP), share(r.Masks.AP), imageCount(r.Images, r.Broken))
	return detection{r, n.Path}, nil
}

// segmentation is a result with the model's name.
type segmentation struct {
	*evaluate.SegmentationResult
	path string
}

func (r segmentation) print(w io.Writer) {
	fmt.Fprintf(w, "%s on %s: mIoU %.2f %%, pixel accuracy %.2f %%\n", r.path, imageCount(r.Images, r.Broken), 100*r.MIoU, 100*r.PixelAccuracy)
	for i, k := range r.Classes {
		if k.IoU == k.IoU {
			fmt.Fprintf(w, "  %3d %-24s IoU %6.2f %%\n", i, printable.Line(k.Name), 100*k.IoU)
		}
	}
	printBroken(w, r.Broken)
}

// detection is a result with the model's name.
type detection struct {
	*evaluate.DetectionResult
	path string
}

func (r detection) print(w io.Writer) {
	fmt.Fprintf(w, "%s on %s\n", r.path, imageCount(r.Images, r.Broken))
	for _, k := range []struct {
		of string
		evaluate.APFigures
	}{{"boxes", r.Boxes}, {"masks", r.Masks}} {
		if k.AP == k.AP {
			fmt.Fprintf(w, "  %s: AP %s, AP50 %s, AP75 %s; small objects %s, medium %s, large %s\n", k.of,
				share(k.AP), share(k.AP50), share(k.AP75), share(k.APSmall), share(k.APMedium), share(k.APLarge))
		}
	}
	printBroken(w, r.Broken)
}

// share is a share in percent; there may be none of it.
func share(x float64) string {
	if x != x {
		return "none"
	}
	return fmt.Sprintf("%.2f %%", 100*x)
}

// isDetector reports whether the network finds objects.
func (n *network) isDetector() bool { return detect.Is(n.Graph) }
