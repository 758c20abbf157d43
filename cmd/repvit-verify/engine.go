package main

import (
	"encoding/json"
	"fmt"

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
	if cfg.engine == engineReference {
		n.engine, err = reference.New(f.Graph, cfg.threads)
	} else {
		n.session, err = infer.New(f.Graph, infer.Options{Threads: cfg.threads})
		n.engine = n.session
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return n, nil
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
	return load.InputShape(n.Graph, batch, p.Height, p.Width), nil
}

// labels are the class names that the model carries, nil for none.
func (n *network) labels() []string {
	var labels []string
	if text, ok := n.Graph.Metadata[model.MetaLabels]; ok {
		_ = json.Unmarshal([]byte(text), &labels) // names are a courtesy here
	}
	return labels
}
