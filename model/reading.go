package model

import (
	"encoding/json"
	"fmt"

	"github.com/repvit-go/repvit/graph"
)

// Reading is how a checkpoint was read where that is not the rule: what to read it with again
// to get the network of a file that was made of it.
type Reading struct {
	Features   bool      `json:"features,omitempty"`
	Embedding  bool      `json:"embedding,omitempty"`
	Softmax    bool      `json:"softmax,omitempty"`
	IgnoreHead bool      `json:"ignore_head,omitempty"`
	BNEpsilon  float64   `json:"bn_epsilon,omitempty"`
	Strides    [][2]int  `json:"strides,omitempty"`
	Taps       []int     `json:"taps,omitempty"`
	Whole      bool      `json:"whole,omitempty"` // the network that the backbone is a part of
	Segment    string    `json:"segment,omitempty"`
	Detector   *Detector `json:"detector,omitempty"`
	SAM        *SAM      `json:"sam,omitempty"`
	// Height and Width are those of the input, of promptable segmenters, which have one.
	Height int `json:"height,omitempty"`
	Width  int `json:"width,omitempty"`
}

func (r Reading) zero() bool {
	return !r.Features && !r.Embedding && !r.Softmax && !r.IgnoreHead && r.BNEpsilon == 0 && r.Strides == nil && r.Taps == nil && !r.Whole
}

func (o Options) reading(m *Model) Reading {
	r := Reading{Features: o.Features, Embedding: o.Embedding, Softmax: o.Softmax, IgnoreHead: o.IgnoreHead,
		BNEpsilon: o.BNEpsilon, Strides: o.Strides, Taps: m.Info.Taps.Blocks, Whole: m.Info.Whole != "", Segment: o.Segment}
	if !o.Detector.zero() {
		r.Detector = &o.Detector
	}
	if len(m.Info.Parts) > 0 {
		r.SAM, r.Height, r.Width = &o.SAM, o.Height, o.Width
	}
	return r
}

// ReadingOf returns how the checkpoint of a converted graph was read. The error wraps
// [graph.ErrGraph].
func ReadingOf(g *graph.Graph) (r Reading, err error) {
	if text, ok := g.Metadata[MetaReading]; ok {
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			return r, fmt.Errorf("%w: metadata %s: %w", graph.ErrGraph, MetaReading, err)
		}
	}
	return r, nil
}

// Options are those that read a checkpoint so.
func (r Reading) Options() Options {
	o := Options{Features: r.Features, Embedding: r.Embedding, Softmax: r.Softmax, IgnoreHead: r.IgnoreHead, BNEpsilon: r.BNEpsilon, Strides: r.Strides}
	if r.Taps != nil {
		o.Features, o.Taps.Blocks = !r.Whole, r.Taps
	}
	o.Segment = r.Segment
	if r.Detector != nil {
		o.Detector = *r.Detector
	}
	if r.SAM != nil {
		o.SAM, o.Height, o.Width = *r.SAM, r.Height, r.Width
	}
	return o
}
