package verifycmd

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/internal/load"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/verify"
	"github.com/repvit-go/repvit/verify/reference"
)

// network is an open file with an engine that runs it, once it has been started.
type network struct {
	*load.File
	engine  verify.Engine
	session *infer.Session // of the fast engine
}

// openNetworks opens files of any kind. A checkpoint is read as the first converted file among
// them says that its own was.
func openNetworks(cfg *config, paths []string) (all []*network, err error) {
	first := slices.IndexFunc(paths, load.Converted)
	checkpoint := slices.ContainsFunc(paths, func(p string) bool { return !load.Converted(p) })
	if !checkpoint && (cfg.weights.EMA || cfg.weights.Key != "") {
		return nil, fmt.Errorf("%s: found a converted model, whose weights are as they are; expected a checkpoint for --ema and --key", paths[first])
	}
	all = make([]*network, len(paths))
	defer func() {
		if err != nil {
			closeAll(all)
		}
	}()
	open := func(i int, like *load.File) error {
		f, err := load.Open(paths[i], load.Options{Weights: cfg.weights, Like: like})
		if err == nil {
			all[i] = &network{File: f}
		}
		return err
	}
	var like *load.File
	if first >= 0 {
		if err := open(first, nil); err != nil {
			return nil, err
		}
		like = all[first].File
	}
	for i := range paths {
		if i != first {
			if err := open(i, like); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// openNetwork opens the only file of a call.
func openNetwork(cfg *config, path string) (*network, error) {
	all, err := openNetworks(cfg, []string{path})
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

func closeAll(all []*network) {
	for _, n := range all {
		if n != nil {
			n.Close()
		}
	}
}

// start makes the engine, for an input of a shape that the command makes itself, or of any
// where that is nil.
func (n *network) start(cfg *config, shape []int) error {
	memory, err := n.memory(cfg, shape)
	if err == nil {
		if cfg.engine == engineReference {
			var r *reference.Network
			if r, err = reference.New(n.Graph, cfg.threads); err == nil {
				r.MaxMemory = memory
				n.engine = r
			}
		} else if n.session, err = infer.New(n.Graph, infer.Options{Threads: cfg.threads, ISA: cfg.isa, MaxMemory: memory}); err == nil {
			n.engine = n.session
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", n.Path, err)
	}
	return nil
}

// memory is what a run may hold, 0 for the engines' default. Where the command makes the
// input itself, the file can ask for any size and number: it gets what images of the size and
// number that the flags say would get, 64 MiB at least, and no more than its own input would.
func (n *network) memory(cfg *config, shape []int) (int64, error) {
	if cfg.maxMemory > 0 || shape == nil {
		return cfg.maxMemory, nil
	}
	height, width := cfg.height, cfg.width
	if height == 0 {
		height, width = 224, 224
	}
	size, err := graph.Numel(shape)
	if err != nil {
		return 0, err
	}
	budget := graph.NewBudget(n.Graph, 0)
	most := max(64<<20, budget.Memory(3*cfg.perRun()*height*width))
	if need := 4 * int64(size); need > most {
		return 0, fmt.Errorf("%w: its input of %v takes %d MiB, expected at most %d", graph.ErrBudget, graph.FixedShape(shape...), need>>20, most>>20)
	}
	return min(most, budget.Memory(size)), nil
}

// How many images a run has that the commands make: random ones, and those of a folder.
const (
	randomBatch = 2
	imagesBatch = 8
)

// perRun is how many images a run has at least, where the network leaves that open.
func (cfg *config) perRun() int {
	switch {
	case cfg.images != "":
		return imagesBatch
	case cfg.against != "":
		return randomBatch
	}
	return max(cfg.batch, 1)
}

func (n *network) Close() {
	if n.session != nil {
		n.session.Close()
	}
	n.File.Close()
}

// preprocessing is what the flags say, else what the model says, else ImageNet's.
func (n *network) preprocessing(cfg *config) (preprocess.Config, error) {
	p, err := n.File.Preprocess()
	if err != nil {
		return p, err
	}
	return p.With(cfg.preprocess), nil
}

// images is the preprocessing of images for the network's number of channels.
func (n *network) images(cfg *config) (preprocess.Config, error) {
	p, err := n.preprocessing(cfg)
	if err != nil {
		return p, err
	}
	channels := 3
	if in := n.Graph.Inputs[0].Type.Shape; len(in) == 4 && in[1].Known() {
		channels = in[1].Size
	}
	if p, err = p.For(channels); err != nil {
		return p, fmt.Errorf("%s: %w; give --mean and --std", n.Path, err)
	}
	return p, nil
}

// shape is that of an input that the command makes, of the size and number that flags ask
// for. The error is of sizes that the network does not take.
func (n *network) shape(cfg *config, batch int) ([]int, error) {
	p, err := n.preprocessing(cfg)
	if err != nil {
		return nil, err
	}
	if d := n.Graph.Inputs[0].Type.DType; !d.IsFloat() {
		return nil, fmt.Errorf("%s: %w: its input is of %v, expected a batch of images", n.Path, graph.ErrUnsupported, d)
	}
	shape := load.InputShape(n.Graph, batch, p.Height, p.Width)
	if len(shape) == 0 {
		return nil, fmt.Errorf("%s: %w: its input is a single number, expected a batch of images", n.Path, graph.ErrUnsupported)
	}
	return shape, n.takes(cfg, shape)
}

// takes refuses sizes that flags ask for and the network does not take.
func (n *network) takes(cfg *config, shape []int) error {
	if len(shape) != 4 {
		return nil
	}
	if cfg.height > 0 && (shape[2] != cfg.height || shape[3] != cfg.width) {
		return fmt.Errorf("%s: takes images of %d×%d only, found --size %d×%d", n.Path, shape[2], shape[3], cfg.height, cfg.width)
	}
	if cfg.batch > 0 && shape[0] != cfg.batch {
		return fmt.Errorf("%s: takes batches of %d only, found --batch %d", n.Path, shape[0], cfg.batch)
	}
	return nil
}

// shared is a shape with the sizes that this network fixes.
func (n *network) shared(cfg *config, shape []int) ([]int, error) {
	for i, d := range n.Graph.Inputs[0].Type.Shape {
		if d.Known() && i < len(shape) {
			shape[i] = d.Size
		}
	}
	return shape, n.takes(cfg, shape)
}

// labels are the class names that the model carries, nil for none.
func (n *network) labels() []string {
	var labels []string
	if text, ok := n.Graph.Metadata[model.MetaLabels]; ok {
		_ = json.Unmarshal([]byte(text), &labels) // names are a courtesy here
	}
	return labels
}
