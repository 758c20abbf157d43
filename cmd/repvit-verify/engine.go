package main

import (
	"encoding/json"
	"fmt"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/internal/load"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/verify"
	"github.com/repvit-go/repvit/verify/reference"
)

// network is an open file with an engine that runs it.
type network struct {
	*load.File
	engine  verify.Engine
	session *infer.Session // of the fast engine
}

// openNetwork opens a file of any kind for the engine that the flags choose.
func openNetwork(cfg *config, path string) (*network, error) {
	f, err := load.Open(path, load.Options{Weights: cfg.weights})
	if err != nil {
		return nil, err
	}
	n := &network{File: f}
	if err := n.start(cfg); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return n, nil
}

// start makes the engine.
func (n *network) start(cfg *config) error {
	memory, err := n.memory(cfg)
	if err != nil {
		return err
	}
	if cfg.engine == engineReference {
		r, err := reference.New(n.Graph, cfg.threads)
		if err != nil {
			return err
		}
		r.MaxMemory = memory
		n.engine = r
		return nil
	}
	n.session, err = infer.New(n.Graph, infer.Options{Threads: cfg.threads, MaxMemory: memory})
	n.engine = n.session
	return err
}

// memory is what a run may hold, 0 for the engines' default.
func (n *network) memory(cfg *config) (int64, error) {
	if cfg.maxMemory > 0 || cfg.input != "" {
		return cfg.maxMemory, nil
	}
	shape, err := n.shape(cfg, cfg.perRun())
	if err != nil {
		return 0, err
	}
	return n.allowed(cfg, shape)
}

// allowed is what a run may hold on an input that the command makes itself, whose size a file
// can ask for: what images of the size that the flags say would get, 64 MiB at least, and no
// more than the input would.
func (n *network) allowed(cfg *config, shape []int) (int64, error) {
	size, err := graph.Numel(shape)
	if err != nil {
		return 0, err
	}
	height, width := cfg.height, cfg.width
	if height == 0 {
		height, width = 224, 224
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

// perRun is how many images a run has, where the network leaves that open.
func (cfg *config) perRun() int {
	switch {
	case cfg.images != "":
		return imagesBatch
	case cfg.batch > 0:
		return cfg.batch
	}
	return randomBatch
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

// shape is that of a random input.
func (n *network) shape(cfg *config, batch int) ([]int, error) {
	p, err := n.preprocessing(cfg)
	if err != nil {
		return nil, err
	}
	shape := load.InputShape(n.Graph, batch, p.Height, p.Width)
	if len(shape) == 0 {
		return nil, fmt.Errorf("%w: its input is a single number, expected a batch of images", graph.ErrUnsupported)
	}
	return shape, nil
}

// labels are the class names that the model carries, nil for none.
func (n *network) labels() []string {
	var labels []string
	if text, ok := n.Graph.Metadata[model.MetaLabels]; ok {
		_ = json.Unmarshal([]byte(text), &labels) // names are a courtesy here
	}
	return labels
}
