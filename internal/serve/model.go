package serve

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image"
	"io"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
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
	"github.com/repvit-go/repvit/sam"
	"github.com/repvit-go/repvit/segment"
)

// kind is what a model is, and how it is asked.
type kind struct {
	name, path string
	parameters []string // of the query
	forms      []string // what as may be
	most       int64    // bytes of a body; 0 for those of an image
}

var (
	classifier = &kind{"classifier", "/classify", []string{"top", "upright"}, nil, 0}
	segmenter  = &kind{"segmenter", "/segment", []string{"as"}, []string{"json", "classes", "overlay"}, 0}
	detector   = &kind{"detector", "/detect", []string{"masks"}, nil, 0}
	// A promptable segmenter is asked twice: for an image, once, and then for masks of it.
	promptable = &kind{"promptable segmenter", "/images", nil, nil, 0}
	prompted   = &kind{promptable.name, "/images/{id}/mask", []string{"as"}, []string{"json", "mask"}, 256 << 10}
)

// loaded is a model that answers. Whoever has it may use it; it is freed when nobody has it.
type loaded struct {
	kind *kind
	info info
	// see answers for an image, as the query asks.
	see   func(ctx context.Context, img image.Image, q query) (seen.Answer, error)
	stats func() infer.Stats
	// Of a promptable segmenter, in place of see.
	sam       *sam.Segmenter
	embedding int64 // bytes of an image's
	mixed     bool  // its two files are of different checkpoints
}

// info is what GET /model tells.
type info struct {
	Kind       string          `json:"kind"`
	Path       string          `json:"path"` // where it is asked
	File       string          `json:"file"`
	Files      []string        `json:"files,omitempty"` // where there are two
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
	as             string // "json", or one of the kind's forms, a PNG
}

// parseQuery refuses what the kind of network does not know.
func (k *kind) parseQuery(values url.Values) (q query, err error) {
	q = query{top: 5, as: "json"}
	for name, all := range values {
		text := all[len(all)-1]
		switch {
		case len(k.parameters) == 0:
			return q, badRequest("found the parameter %.40q, expected none", name)
		case !slices.Contains(k.parameters, name):
			return q, badRequest("found the parameter %.40q, expected none but %s for a %s", name, format.List(k.parameters), k.name)
		case name == "top":
			if q.top, err = strconv.Atoi(text); err != nil || q.top < 1 {
				return q, badRequest("top is %.40q, expected a number of classes", text)
			}
		case name == "as":
			if q.as = text; !slices.Contains(k.forms, text) {
				return q, badRequest("as is %.40q, expected %s", text, format.List(k.forms))
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
// client should wait. The files are not mapped, so that whatever happens to them later is no matter.
// There are two of a promptable segmenter: its encoder and its decoder.
func load(ctx context.Context, paths []string, opts infer.Options) (m *loaded, err error) {
	defer panics.Catch(&err, infer.ErrPanic)
	m = &loaded{info: info{File: paths[0], Loaded: time.Now().UTC().Truncate(time.Second)}}
	if len(paths) > 1 {
		m.info.Files = paths
	}
	sum := sha256.New()
	var sessions []*infer.Session
	for _, path := range paths {
		s, f, err := m.read(path, sum, opts)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if sessions = append(sessions, s); m.info.Format == "" {
			m.info.Format = f.Name
		}
	}
	m.info.SHA256 = hex.EncodeToString(sum.Sum(nil))
	if len(sessions) == 2 {
		err = m.ofParts(ctx, sessions[0], sessions[1])
	} else {
		err = m.of(ctx, sessions[0])
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", strings.Join(paths, " and "), err)
	}
	i, err := sessions[0].Info()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", paths[0], err)
	}
	m.info.Variant, m.info.Classes = i.Variant, i.Classes
	g := sessions[0].Graph()
	m.info.Kind, m.info.Path = m.kind.name, m.kind.path
	m.info.Input = g.Inputs[0].Type.String()
	if text := []byte(g.Metadata[model.MetaPreprocess]); json.Valid(text) {
		m.info.Preprocess = text
	}
	m.stats = func() infer.Stats { return together(sessions) }
	stats := m.stats()
	m.info.Engine = engine{stats.ISA, stats.Threads, stats.WeightBytes, stats.ArenaBytes}
	return m, nil
}

// together adds up what sessions hold in memory.
func together(sessions []*infer.Session) infer.Stats {
	all := sessions[0].Stats()
	for _, s := range sessions[1:] {
		more := s.Stats()
		all.WeightBytes += more.WeightBytes
		all.ArenaBytes += more.ArenaBytes
	}
	return all
}

// read opens one of a model's files, which is several of some formats. Their bytes go to sum.
func (m *loaded) read(path string, sum io.Writer, opts infer.Options) (*infer.Session, *format.Format, error) {
	var data [][]byte
	for _, p := range format.PathsOf(path) {
		b, err := infile.ReadFile(p)
		if err != nil {
			return nil, nil, err
		}
		data = append(data, b)
		m.info.Bytes += int64(len(b))
		sum.Write(b)
	}
	f := format.Of(data[0])
	switch {
	case f == format.Checkpoint:
		return nil, nil, fmt.Errorf("found a PyTorch checkpoint, expected a converted model: repvit convert makes one, and proves that it is the same")
	case f == nil:
		f = format.ONNX // whose decoder says what is wrong
	}
	decoded, err := f.Decode(data)
	if err != nil {
		return nil, nil, err
	}
	s, err := infer.New(decoded.Graph, opts)
	return s, f, err
}

// blank is what a model is run with first.
var blank = image.NewRGBA(image.Rect(0, 0, 64, 64))

// of finds out what a session's network is, and runs it.
func (m *loaded) of(ctx context.Context, s *infer.Session) error {
	if err := m.find(s); err != nil {
		return err
	}
	_, err := m.see(ctx, blank, query{top: 1})
	return err
}

// ofParts is [loaded.of] for an encoder and a decoder.
func (m *loaded) ofParts(ctx context.Context, encoder, decoder *infer.Session) (err error) {
	m.kind = promptable
	if m.sam, err = sam.New(encoder, decoder); err != nil {
		return err
	}
	e, err := m.sam.Embed(ctx, blank)
	if err != nil {
		return err
	}
	m.embedding = int64(len(e.Tensor.Bytes()))
	of, and := encoder.Graph().Metadata[model.MetaSourceSHA256], decoder.Graph().Metadata[model.MetaSourceSHA256]
	m.mixed = of != "" && and != "" && of != and
	_, err = m.sam.Segment(ctx, e, sam.Prompt{Inside: []sam.Point{{X: 32, Y: 32}}})
	return err
}

// find finds out what a session's network is.
func (m *loaded) find(s *infer.Session) (err error) {
	g := s.Graph()
	if m.info.Labels, err = s.Labels(); err != nil {
		return err
	}
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
		return fmt.Errorf("%w: found %d outputs, the first of shape %v, expected a classifier, a segmenter or a detector; a promptable segmenter is two files, its encoder and its decoder", graph.ErrUnsupported, len(g.Outputs), out)
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
func signature(paths []string) string {
	text := ""
	for _, path := range paths {
		for _, p := range format.PathsOf(path) {
			if info, err := os.Stat(p); err == nil {
				text += fmt.Sprint(info.Size(), info.ModTime().UnixNano(), ";")
			}
		}
	}
	return text
}
