package evaluate

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/finite"
	"github.com/repvit-go/repvit/internal/infile"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/verify"
)

// Images says what [Run] runs on what.
type Images struct {
	Engine  verify.Engine // the network that is measured
	Against verify.Engine // the reference, or nil
	// Dir is the folder of images.
	Dir string
	// Labels is the path of a labels file; see [ParseLabels]. Empty for all images of the
	// folder in alphabetical order, not those of its subfolders, without labels; where images
	// are in subfolders only, these are the classes, see [ClassFolders].
	Labels string
	// Names are those of the network's classes, or nil. Labels and folders may be named so.
	Names []string
	// Strict makes the first image that cannot be decoded an error; else it is left out.
	Strict bool
	// Upright turns images as their EXIF orientation says, which torchvision's ImageFolder does not.
	Upright bool
	// Preprocess makes an image the input that both networks see.
	Preprocess preprocess.Config
	Batch      int // images in one run; 0 for 8, or fewer where they are large
	Threads    int // goroutines that decode images; 0 for GOMAXPROCS
	// Progress, where it is not nil, is called after every batch, on the caller's
	// goroutine.
	Progress func(done, total int)
}

// Result is what [Run] measured.
type Result struct {
	Images int      // without those left out
	Broken []Broken // those left out, in the order of the labels file
	// Top1 and Top5 are the shares of images whose label is the network's first, or one of
	// its first five classes. They are 0 where Labelled is false.
	Top1, Top5 float64
	Labelled   bool
	// AgainstTop1 and AgainstTop5 are those of the reference.
	AgainstTop1, AgainstTop5 float64
	// Agree is the share of images for which both networks have the same top-1 class, and
	// SQNR in decibels is taken over all logits. They are 0 where Compared is false.
	Agree    float64
	SQNR     float64
	Compared bool
	// ImagesPerSecond counts the whole evaluation: decoding, preprocessing and both
	// networks.
	ImagesPerSecond float64
	// Findings are what became of the criteria that the caller judged by; see
	// [Criteria.Judge]. Run leaves them empty.
	Findings []Finding
	// Misses are the images that the network got wrong, or on which it and the reference
	// disagree, in the order of the labels file.
	Misses []Miss
}

// Miss is an image to look at. Classes that are not known are −1.
type Miss struct {
	File    string `json:"file"`
	Label   int    `json:"label"`
	Top1    int    `json:"top1"`    // what the network says
	Against int    `json:"against"` // what the reference says
}

// MarshalJSON encodes e as the commands print it, without its misses: shares that were
// not measured and an infinite SQNR are null.
func (e Result) MarshalJSON() ([]byte, error) {
	when := func(measured bool, x float64) *float64 {
		if !measured {
			return nil
		}
		return finite.OrNil(x)
	}
	return json.Marshal(struct {
		Images          int         `json:"images"`
		Broken          *brokenJSON `json:"broken,omitempty"`
		Top1            *float64    `json:"top1"`
		Top5            *float64    `json:"top5"`
		Agree           *float64    `json:"agree"`
		SQNR            *float64    `json:"sqnr_db"`
		ImagesPerSecond *float64    `json:"images_per_second"`
		Findings        []Finding   `json:"criteria,omitempty"`
	}{e.Images, brokenOrNil(e.Broken), when(e.Labelled, e.Top1), when(e.Labelled, e.Top5), when(e.Compared, e.Agree), when(e.Compared, e.SQNR),
		finite.OrNil(e.ImagesPerSecond), e.Findings})
}

const (
	maxBatch    = 1 << 12       // bounds what a caller asks for
	batchPixels = 8 * 512 * 512 // of a batch of default size, 24 MiB as a network's input
)

// Run runs a network, and a reference beside it, over a folder of images. Decoding and
// preprocessing of the next batches overlap with computing; no more than three batches are
// held at a time. The numbers do not depend on Threads. Networks with a fixed batch size
// are run with that, filled up with zeros. Images that cannot be decoded are left out, unless
// that is all of them.
//
// The error names the file concerned and wraps [ErrLabels], an error of package
// preprocess, or [graph.ErrShape] where the networks do not fit the images or each other;
// or it is that of ctx.
func Run(ctx context.Context, o Images) (*Result, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	start := time.Now()
	files, err := o.files()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	batches := o.load(ctx, files)
	defer func() {
		cancel()
		for range batches { // the loaders end
		}
	}()
	t := tally{images: o}
	for b := range batches {
		if b.err != nil {
			return nil, b.err
		}
		if err := t.batch(ctx, b); err != nil {
			return nil, err
		}
		if o.Progress != nil {
			o.Progress(t.Images+len(t.Broken), len(files))
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := noneLeft(o.Dir, t.Images, t.Broken); err != nil {
		return nil, err
	}
	return t.result(time.Since(start)), nil
}

// complete fills in defaults and checks what it can.
func (o *Images) complete() error {
	if o.Engine == nil {
		return fmt.Errorf("%w: no engine", graph.ErrGraph)
	}
	if o.Batch < 0 || o.Batch > maxBatch || o.Threads < 0 {
		return fmt.Errorf("%w: batches of %d images, %d threads; expected 1 to %d and no negative number",
			graph.ErrShape, o.Batch, o.Threads, maxBatch)
	}
	if o.Threads == 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	if err := o.Preprocess.Validate(); err != nil {
		return err
	}
	if o.Batch == 0 {
		o.Batch = min(8, max(1, batchPixels/(o.Preprocess.Height*o.Preprocess.Width)))
	}
	return nil
}

// files returns the images in order; without labels their class is −1.
func (o *Images) files() ([]Label, error) {
	if o.Labels != "" {
		data, err := infile.ReadFile(o.Labels)
		if err != nil {
			return nil, err
		}
		classes, err := classesOf(o.Engine.Graph(), o.Preprocess)
		if err != nil {
			return nil, err
		}
		return ParseLabels(o.Labels, data, classes, o.Names)
	}
	if folders, err := ClassFolders(o.Dir); err != nil {
		return nil, err
	} else if len(folders) > 0 {
		return o.labelledByFolders(folders)
	}
	names, err := imagesIn(o.Dir)
	if err != nil {
		return nil, err
	}
	var files []Label
	for _, name := range names {
		files = append(files, Label{name, -1})
	}
	return files, nil
}

// imagesIn returns the names of a folder's images, sorted.
func imagesIn(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if isImage(e) {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s: found no images, expected files named .png, .jpg or .jpeg", dir)
	}
	return names, nil
}

// isImage reports whether a file is named like an image. The names are those that torchvision's
// ImageFolder takes: what is in a format that cannot be decoded is left out in words, not passed over.
func isImage(e fs.DirEntry) bool {
	switch strings.ToLower(filepath.Ext(e.Name())) {
	case ".png", ".jpg", ".jpeg", ".ppm", ".pgm", ".bmp", ".tif", ".tiff", ".webp":
		return !e.IsDir()
	}
	return false
}

// classesOf returns how many logits a network has for one image.
func classesOf(g *graph.Graph, c preprocess.Config) (int, error) {
	if len(g.Inputs) != 1 || g.Inputs[0].Type == nil || len(g.Outputs) == 0 {
		return 0, fmt.Errorf("%w: a network with %d inputs and %d outputs, expected one", graph.ErrShape, len(g.Inputs), len(g.Outputs))
	}
	types, err := g.Infer(graph.FixedShape(max(fixedBatch(g), 1), c.Channels(), c.Height, c.Width))
	if err != nil {
		return 0, err
	}
	dims, ok := types[g.Outputs[0]].Shape.Ints()
	if !ok || len(dims) != 2 || dims[1] < 1 {
		return 0, fmt.Errorf("%w: the output %q has the shape %v, expected logits N×classes",
			graph.ErrShape, g.Outputs[0].Name, types[g.Outputs[0]].Shape)
	}
	return dims[1], nil
}

// fixedBatch returns the batch size that a graph is restricted to, 0 for none.
func fixedBatch(g *graph.Graph) int {
	if s := g.Inputs[0].Type.Shape; len(s) > 0 && s[0].Known() {
		return s[0].Size
	}
	return 0
}

// batch is a run's images, in the order of the list.
type batch struct {
	files  []Label
	input  *graph.Tensor // nil without files
	broken []Broken      // left out of files
	err    error
}

// load decodes the images on goroutines of its own and delivers the batches in order. It
// ends, and closes the channel, after the last batch, after an error, or with ctx.
func (o *Images) load(ctx context.Context, files []Label) <-chan batch {
	batches := make(chan batch, 1)
	go func() {
		defer close(batches)
		for chunk := range slices.Chunk(files, o.Batch) {
			b := o.read(ctx, chunk)
			select {
			case batches <- b:
			case <-ctx.Done():
				return
			}
			if b.err != nil {
				return
			}
		}
	}()
	return batches
}

// read decodes and preprocesses the images of one batch.
func (o *Images) read(ctx context.Context, files []Label) batch {
	c := o.Preprocess
	size := c.Channels() * c.Height * c.Width
	pixels := make([]float32, len(files)*size)
	errs := make([]error, len(files))
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(o.Threads, len(files)) {
		wg.Go(func() {
			for i := range next {
				errs[i] = o.image(pixels[i*size:][:size], files[i].File)
			}
		})
	}
	for i := range files {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	wg.Wait()
	var b batch
	for i, err := range errs { // in the order of the list, whichever failed first
		if err != nil && !o.Strict {
			err = leaveOut(&b.broken, o.Dir, files[i].File, err)
		} else if err == nil {
			copy(pixels[len(b.files)*size:], pixels[i*size:][:size])
			b.files = append(b.files, files[i])
		}
		if err != nil {
			return batch{err: err}
		}
	}
	if n := len(b.files); n > 0 {
		b.input = graph.Float32Tensor([]int{n, c.Channels(), c.Height, c.Width}, pixels[:n*size])
	}
	return b
}

// image reads one image into its place.
func (o *Images) image(dst []float32, name string) (err error) {
	path := filepath.Join(o.Dir, name)
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: %w: panic: %v", path, preprocess.ErrImage, r)
		}
	}()
	open := preprocess.Open
	if o.Upright {
		open = preprocess.OpenUpright
	}
	img, err := open(path)
	if err != nil {
		return err
	}
	if err := o.Preprocess.Into(dst, img); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// tally adds up what the networks say.
type tally struct {
	Result
	images            Images
	accuracy, against Accuracy
	agreement         Agreement
}

func (t *tally) batch(ctx context.Context, b batch) error {
	t.Broken = append(t.Broken, b.broken...)
	if len(b.files) == 0 {
		return nil
	}
	got, err := forward(ctx, t.images.Engine, b.input)
	if err != nil {
		return err
	}
	var want [][]float64
	if t.images.Against != nil {
		if want, err = forward(ctx, t.images.Against, b.input); err != nil {
			return err
		}
		if len(want[0]) != len(got[0]) {
			return fmt.Errorf("%w: %d classes, expected the reference's %d", graph.ErrShape, len(got[0]), len(want[0]))
		}
	}
	for i, f := range b.files {
		m := Miss{File: f.File, Label: f.Class, Top1: verify.Top1(got[i]), Against: -1}
		miss := false
		if f.Class >= 0 {
			if f.Class >= len(got[i]) {
				return fmt.Errorf("%w: %s has the label %d, expected one below %d", ErrLabels, f.File, f.Class, len(got[i]))
			}
			t.accuracy.Add(got[i], f.Class)
			miss = m.Top1 != f.Class
		}
		if want != nil {
			m.Against = verify.Top1(want[i])
			t.agreement.Add(got[i], want[i])
			miss = miss || m.Top1 != m.Against || m.Top1 < 0
			if f.Class >= 0 {
				t.against.Add(want[i], f.Class)
			}
		}
		if miss {
			t.Misses = append(t.Misses, m)
		}
	}
	t.Images += len(b.files)
	return nil
}

func (t *tally) result(took time.Duration) *Result {
	r := t.Result
	r.Labelled, r.Compared = t.accuracy.Images > 0, t.images.Against != nil
	r.Top1, r.Top5 = t.accuracy.Shares()
	r.AgainstTop1, r.AgainstTop5 = t.against.Shares()
	if r.Compared {
		r.Agree, r.SQNR = t.agreement.Share(), t.agreement.Distance.SQNR()
	}
	r.ImagesPerSecond = float64(r.Images) / took.Seconds()
	return &r
}

// forward returns the logits of every image of a batch.
func forward(ctx context.Context, e verify.Engine, x *graph.Tensor) ([][]float64, error) {
	x, err := verify.Fit(e.Graph(), x)
	if err != nil {
		return nil, err
	}
	images := x.Shape[0]
	step := images
	if n := fixedBatch(e.Graph()); n > 0 {
		step = n
	}
	var rows [][]float64
	for from := 0; from < images; from += step {
		part := x.Slice(from, min(from+step, images))
		if missing := from + step - images; missing > 0 { // in the last of fixed batches
			padded := make([]byte, part.Size()/part.Shape[0]*step)
			copy(padded, part.Bytes())
			part = graph.RawTensor(x.DType, append([]int{step}, x.Shape[1:]...), padded)
		}
		y, err := e.Run(ctx, part)
		if err != nil {
			return nil, err
		}
		if len(y.Shape) != 2 || y.Shape[0] != step || y.Shape[1] == 0 {
			return nil, fmt.Errorf("%w: an output of shape %v for %d images, expected logits N×classes", graph.ErrShape, y.Shape, step)
		}
		v, length := y.Float64s(), y.Shape[1]
		for r := range min(step, images-from) {
			rows = append(rows, v[r*length:][:length])
		}
	}
	return rows, nil
}
