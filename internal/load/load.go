// Package load opens every kind of file that holds a network: PyTorch checkpoints, ONNX
// models and the native format, told apart by their content.
package load

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/format"
	"github.com/repvit-go/repvit/internal/infile"
	"github.com/repvit-go/repvit/internal/mmap"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/model/family"
	"github.com/repvit-go/repvit/npy"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/pytorch"
)

// Options say how a checkpoint is read; other files need none.
type Options struct {
	Weights pytorch.Options // which state dict; Networks aside
	// Model says what the graph takes and gives, given what the checkpoint states beside its
	// tensors; nil for what it states.
	Model func(model.Stated) model.Options
	// Like is a converted file: a checkpoint is read as the one that it was made of, as far
	// as Weights and Model leave that open.
	Like *File
	// Hash computes the file's SHA-256 beside other work, for [File.Sign].
	Hash bool
}

// like fills in what a converted file says of how its checkpoint was read.
func (o *Options) like() error {
	if o.Like == nil || o.Like.Format == format.Checkpoint {
		return nil
	}
	if o.Model == nil {
		r, err := model.ReadingOf(o.Like.Graph)
		if err != nil {
			return fmt.Errorf("%s: %w", o.Like.Path, err)
		}
		o.Model = func(model.Stated) model.Options { return r.Options() }
	}
	return nil
}

// File is an open network. The graph's weights may be views of the mapped file, so it is
// used before Close only.
type File struct {
	Path   string // as it was given
	Format *format.Format
	Size   int64 // bytes
	Graph  *graph.Graph
	Data   []byte // the file's content; nil of a folder

	Checkpoint *pytorch.File      // of a checkpoint
	State      *pytorch.StateDict // of a checkpoint
	Model      *model.Model       // of a checkpoint, whose graph is the training form
	Converted  *format.Model      // of any other file

	maps   []*mmap.Map
	hashed chan struct{}     // closed when sum is there; nil where nobody asked for it
	sum    [sha256.Size]byte // of Data
}

// Open maps and decodes a file, or a folder that a checkpoint was unpacked into. The error
// names the file.
func Open(path string, opts Options) (*File, error) {
	f := &File{Path: path}
	if info, err := os.Stat(path); err == nil && info.IsDir() && format.FolderOf(path) == nil {
		var err error
		f.Checkpoint, err = pytorch.Open(path)
		if err != nil {
			return nil, err
		}
	} else if kind, maps, err := format.Map(path); err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	} else {
		f.Format, f.maps, f.Data = kind, maps, maps[0].Data
		for _, m := range maps {
			f.Size += int64(len(m.Data))
		}
		if opts.Hash {
			f.hashed = make(chan struct{})
			go func() {
				f.sum = sha256.Sum256(f.Data)
				close(f.hashed)
			}()
		}
	}
	if err := f.decode(opts); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Converted reports whether a file looks like a converted model; false where it can't be read.
func Converted(path string) bool {
	f, maps, err := format.Map(path)
	if err != nil {
		return false
	}
	format.Unmap(maps)
	return f != nil && f.Decode != nil
}

func (f *File) decode(opts Options) (err error) {
	if f.Checkpoint == nil && f.Format != nil && f.Format.Decode != nil {
		if f.Converted, err = f.Format.Decode(format.Contents(f.maps)); err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
		f.Graph = f.Converted.Graph
		return nil
	}
	f.Format = format.Checkpoint
	if f.Checkpoint == nil {
		// It names the file itself.
		if f.Checkpoint, err = pytorch.Decode(f.Path, f.Data); err != nil {
			return err
		}
	}
	if err := opts.like(); err != nil {
		return err
	}
	if f.State, err = f.stateDict(opts); err != nil {
		return err
	}
	stated := model.StatedBy(f.Checkpoint)
	o := model.Options{SizeUnsaid: true}
	if opts.Model != nil {
		o = opts.Model(stated)
	}
	o.Stated = stated
	if f.Model, err = family.Build(f.State, o); err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	f.Graph = f.Model.Graph
	return nil
}

// stateDict is the one that is asked for, or else the one that Like was made of, if it is there.
func (f *File) stateDict(opts Options) (*pytorch.StateDict, error) {
	w := opts.Weights
	w.Networks = family.Networks
	if opts.Like != nil && w.Key == "" && !w.EMA {
		like := w
		if like.Key = opts.Like.Graph.Metadata[model.MetaStateDict]; like.Key != "" {
			if s, err := f.Checkpoint.StateDict(like); err == nil {
				return s, nil
			}
		}
	}
	return f.Checkpoint.StateDict(w)
}

// Networks returns every RepViT of a checkpoint, the one that was read among them.
func (f *File) Networks() (all []*pytorch.StateDict) {
	if f.Checkpoint == nil {
		return nil
	}
	for _, s := range f.Checkpoint.StateDicts() {
		for _, within := range family.Networks(s) {
			n := *s
			n.Within = within
			all = append(all, &n)
		}
	}
	return all
}

// Preprocess returns how images become the network's input: what the file says, else
// ImageNet's. Mean and Std are empty where nothing says them for other than three channels. The
// size is what the network fixes. Where images are fitted whole, it has no more than a size, mean
// and std, which [preprocess.Config.Validate] refuses; see [File.Fit].
func (f *File) Preprocess() (preprocess.Config, error) {
	p := preprocess.ImageNet(224, 224, 0.875)
	p.Mean, p.Std = nil, nil // ImageNet's are for three channels
	if fit, ok := f.Fit(); ok {
		p = preprocess.Config{Height: p.Height, Width: p.Width, Mean: fit.Mean, Std: fit.Std}
	} else if text, ok := f.Graph.Metadata[model.MetaPreprocess]; ok {
		p = preprocess.Config{}
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			return p, fmt.Errorf("%s: metadata %s: %w", f.Path, model.MetaPreprocess, err)
		}
		if err := p.Validate(); err != nil {
			return p, fmt.Errorf("%s: metadata %s: %w", f.Path, model.MetaPreprocess, err)
		}
	}
	if in := f.Graph.Inputs[0].Type.Shape; len(in) == 4 && in[2].Known() && in[3].Known() {
		p.Height, p.Width = in[2].Size, in[3].Size
	}
	return p, nil
}

// Fit returns how whole images become the network's input, for files that say so.
func (f *File) Fit() (preprocess.Fit, bool) {
	fit, err := preprocess.ParseFit([]byte(f.Graph.Metadata[model.MetaPreprocess]))
	return fit, err == nil
}

// Sign puts into the graph that is made of a checkpoint where it comes from: the checkpoint's
// name and, if it was opened with Options.Hash, its SHA-256, the state dict, and the
// converter's version.
func (f *File) Sign(g *graph.Graph) {
	if f.Format != format.Checkpoint {
		return
	}
	meta := g.Metadata
	meta[model.MetaSource] = filepath.Base(f.Path)
	if f.hashed != nil {
		<-f.hashed
		meta[model.MetaSourceSHA256] = hex.EncodeToString(f.sum[:])
	}
	if name := f.State.Name(); name != "" {
		meta[model.MetaStateDict] = name
	}
	meta[model.MetaVersion] = Version()
}

const module = "github.com/repvit-go/repvit"

// Version is that of the module in this program, "(devel)" for a build from a checkout.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(devel)"
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == module && m.Version != "" {
			return m.Version
		}
	}
	return "(devel)"
}

// Close releases the file. The graph must not be used afterwards.
func (f *File) Close() error {
	if f.maps == nil {
		return f.Checkpoint.Close()
	}
	if f.hashed != nil {
		<-f.hashed // it reads the mapping
	}
	format.Unmap(f.maps)
	return nil
}

// Arrays reads an .npy or .npz file. The error names the file.
func Arrays(path string) ([]npy.Array, error) {
	data, err := infile.ReadFile(path)
	if err != nil {
		return nil, err
	}
	arrays, err := npy.ReadArrays(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return arrays, nil
}

// InputShape returns the shape of an input for the graph: what it declares, and the sizes
// given where it leaves them open.
func InputShape(g *graph.Graph, batch, height, width int) []int {
	shape := make([]int, 0, 4)
	open := map[int]int{0: batch, 2: height, 3: width}
	named := map[string]int{"height": height, "width": width}
	for i, d := range g.Inputs[0].Type.Shape {
		n := d.Size
		if size, ok := named[d.Sym]; !d.Known() && ok && d.Div == 1 {
			n = max(size, 1)
		} else if !d.Known() {
			n = max(open[i], 1)
		}
		shape = append(shape, n)
	}
	return shape
}
