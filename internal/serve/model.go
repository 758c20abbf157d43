package serve

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/repvit-go/repvit/detect"
	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/internal/draw"
	"github.com/repvit-go/repvit/internal/format"
	"github.com/repvit-go/repvit/internal/infile"
	"github.com/repvit-go/repvit/internal/panics"
	"github.com/repvit-go/repvit/internal/seen"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/segment"
)

// kind is what a model is, and how it is asked.
type kind struct {
	name, path string
	parameters []string // of the query
}

var (
	classifier = &kind{"classifier", "/classify", []string{"top", "upright"}}
	segmenter  = &kind{"segmenter", "/segment", []string{"as"}}
	detector   = &kind{"detector", "/detect", []string{"masks"}}
	kinds      = []*kind{classifier, segmenter, detector}
)

// loaded is a model that answers. Whoever has it may use it; it is freed when nobody has it.
type loaded struct {
	kind *kind
	info info
	// see answers for an image, as the query asks.
	see   func(ctx context.Context, img image.Image, q query) (seen.Answer, error)
	stats func() infer.Stats
}

// info is what GET /model tells.
type info struct {
	Kind       string          `json:"kind"`
	Path       string          `json:"path"` // where it is asked
	File       string          `json:"file"`
	Bytes      int64           `json:"bytes"`
	SHA256     string          `json:"sha256"`
	Loaded     time.Time       `json:"loaded"`
	Format     string          `json:"format"`
	Variant    string          `json:"variant,omitempty"`
	Input      string          `json:"input"`
	Classes    int             `json:"classes,omitempty"`
	Labels     []string        `json:"labels,omitempty"`
	Preprocess json.RawMessage `json:"preprocess,omitempty"` // how images become the input, as the file says it
	Engine     engine          `json:"engine"`
}

type engine struct {
	ISA         string `json:"isa"`
	Threads     int    `json:"threads"`
	WeightBytes int    `json:"weight_bytes"`
	ArenaBytes  int    `json:"arena_bytes"`
}

// query is what a request asks of a network.
type query struct {
	top            int
	upright, masks bool
	as             string // of a segmenter: "json", or a PNG of "classes" or as an "overlay"
}

// parseQuery refuses what the kind of network does not know.
func (k *kind) parseQuery(values url.Values) (q query, err error) {
	q = query{top: 5, as: "json"}
	for name, all := range values {
		known := false
		for _, p := range k.parameters {
			known = known || p == name
		}
		text := all[len(all)-1]
		switch {
		case !known:
			return q, badRequest("found the parameter %.40q, expected none but %s for a %s", name, format.List(k.parameters), k.name)
		case name == "top":
			if q.top, err = strconv.Atoi(text); err != nil || q.top < 1 {
				return q, badRequest("top is %.40q, expected a number of classes", text)
			}
		case name == "as":
			if q.as = text; text != "json" && text != "classes" && text != "overlay" {
				return q, badRequest("as is %.40q, expected json, classes or overlay", text)
			}
		default:
			b, err := strconv.ParseBool(text)
			if err != nil {
				return q, badRequest("%s is %.40q, expected true or false", name, text)
			}
			if name == "masks" {
				q.masks = b
			} else {
				q.upright = b
			}
		}
	}
	return q, nil
}

// load reads a model into memory and runs it once: the first run plans and allocates, for which no
// client should wait. The file is not mapped, so that whatever happens to it later is no matter.
func load(ctx context.Context, path string, opts infer.Options) (m *loaded, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", path, err)
		}
	}()
	defer panics.Catch(&err, infer.ErrPanic)
	var data [][]byte
	m = &loaded{info: info{File: path, Loaded: time.Now().UTC().Truncate(time.Second)}}
	sum := sha256.New()
	for _, p := range format.PathsOf(path) {
		b, err := infile.ReadFile(p)
		if err != nil {
			return nil, err
		}
		data = append(data, b)
		m.info.Bytes += int64(len(b))
		sum.Write(b)
	}
	m.info.SHA256 = hex.EncodeToString(sum.Sum(nil))
	f := format.Of(data[0])
	switch {
	case f == format.Checkpoint:
		return nil, fmt.Errorf("found a PyTorch checkpoint, expected a converted model: repvit convert makes one, and proves that it is the same")
	case f == nil:
		f = format.ONNX // whose decoder says what is wrong
	}
	decoded, err := f.Decode(data)
	if err != nil {
		return nil, err
	}
	s, err := infer.New(decoded.Graph, opts)
	if err != nil {
		return nil, err
	}
	if err := m.of(s); err != nil {
		return nil, err
	}
	m.stats = s.Stats
	g := s.Graph()
	m.info.Kind, m.info.Path, m.info.Format = m.kind.name, m.kind.path, f.Name
	m.info.Input = g.Inputs[0].Type.String()
	if text := []byte(g.Metadata[model.MetaPreprocess]); json.Valid(text) {
		m.info.Preprocess = text
	}
	if _, err := m.see(ctx, image.NewRGBA(image.Rect(0, 0, 64, 64)), query{top: 1}); err != nil {
		return nil, err
	}
	stats := s.Stats()
	m.info.Engine = engine{stats.ISA, stats.Threads, stats.WeightBytes, stats.ArenaBytes}
	return m, nil
}

// of finds out what a session's network is.
func (m *loaded) of(s *infer.Session) (err error) {
	g := s.Graph()
	i, err := s.Info()
	if err != nil {
		return err
	}
	m.info.Variant, m.info.Classes, m.info.Labels = i.Variant, i.Classes, i.Labels
	colors, err := infer.Palette(g)
	if err != nil {
		return err
	}
	names := draw.Names{Labels: m.info.Labels, Colors: colors}
	if detect.Is(g) {
		d, err := detect.New(s)
		if err != nil {
			return err
		}
		m.kind = detector
		m.see = func(ctx context.Context, img image.Image, q query) (seen.Answer, error) {
			found, err := d.Detect(ctx, img)
			o := seen.ObjectsOf(img.Bounds().Size(), found, names)
			if q.masks {
				o = o.WithMasks()
			}
			return o, err
		}
		return nil
	}
	if _, err := segment.Classes(g); err == nil {
		n, err := segment.New(s)
		if err != nil {
			return err
		}
		m.kind = segmenter
		m.see = func(ctx context.Context, img image.Image, q query) (seen.Answer, error) {
			found, err := n.Segment(ctx, img)
			if err != nil {
				return nil, err
			}
			if q.as == "classes" {
				return numbers{seen.Pixels{}, found.Paletted}, nil
			}
			of := make([]int64, len(found.Pix))
			for i, c := range found.Pix {
				of[i] = int64(c)
			}
			return seen.PixelsOf(img.Bounds().Size(), of, names), nil
		}
		return nil
	}
	types, err := g.Types()
	if err != nil {
		return err
	}
	if out := types[g.Outputs[0]].Shape; len(g.Outputs) != 1 || len(out) != 2 || len(g.Inputs) != 1 {
		return fmt.Errorf("%w: found %d outputs, the first of shape %v, expected a classifier, a segmenter or a detector", graph.ErrUnsupported, len(g.Outputs), out)
	}
	m.kind = classifier
	m.see = func(ctx context.Context, img image.Image, q query) (seen.Answer, error) {
		top, err := s.Classify(ctx, img, q.top)
		return seen.ClassesOf(top), err
	}
	return nil
}

// numbers is a picture whose pixels are class numbers.
type numbers struct {
	seen.Pixels
	picture *image.Paletted
}

func (n numbers) Picture(image.Image) (image.Image, error) { return n.picture, nil }

// signature tells whether a model's files are others than before.
func signature(path string) string {
	text := ""
	for _, p := range format.PathsOf(path) {
		if info, err := os.Stat(p); err == nil {
			text += fmt.Sprint(info.Size(), info.ModTime().UnixNano(), ";")
		}
	}
	return text
}
