package infer

import (
	"encoding/json"
	"fmt"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/preprocess"
)

// Fit returns what whole images go through before a network for segmentation or detection sees
// them, as the metadata "repvit.preprocess" says. A size that the graph's input fixes replaces
// the rule for other sizes. The error wraps [preprocess.ErrConfig] where the file does not say it,
// or says how images are cropped, as classifiers' do; see [Session.Preprocess] for those.
func (s *Session) Fit() (preprocess.Fit, error) {
	if err := s.ready(); err != nil {
		return preprocess.Fit{}, err
	}
	g := s.model.graph
	text, ok := g.Metadata[metaPreprocess]
	if !ok {
		return preprocess.Fit{}, fmt.Errorf("%w: found no metadata %q, expected how whole images become the input", preprocess.ErrConfig, metaPreprocess)
	}
	f, err := preprocess.ParseFit([]byte(text))
	if err != nil {
		return f, fmt.Errorf("metadata %q: %w", metaPreprocess, err)
	}
	f = f.For(g.Inputs[0].Type.Shape)
	return f, f.Validate()
}

// Labels returns the names of the classes that the file holds, nil where it names none. The error
// wraps [graph.ErrGraph] where they are malformed.
func (s *Session) Labels() ([]string, error) {
	if err := s.ready(); err != nil {
		return nil, err
	}
	return Labels(s.model.graph)
}

// Labels is [Session.Labels] for a graph.
func Labels(g *graph.Graph) (labels []string, err error) {
	if g == nil {
		return nil, fmt.Errorf("%w: nil", graph.ErrGraph)
	}
	if text, ok := g.Metadata[metaLabels]; ok {
		if err := json.Unmarshal([]byte(text), &labels); err != nil {
			return nil, fmt.Errorf("%w: metadata %q: %w", graph.ErrGraph, metaLabels, err)
		}
	}
	return labels, nil
}

// Palette returns the colours of the classes that a file holds, red, green and blue, nil where it
// has none. The error wraps [graph.ErrGraph] where they are malformed.
func Palette(g *graph.Graph) (colors [][3]uint8, err error) {
	if g == nil {
		return nil, fmt.Errorf("%w: nil", graph.ErrGraph)
	}
	if text, ok := g.Metadata[metaPalette]; ok {
		if err := json.Unmarshal([]byte(text), &colors); err != nil {
			return nil, fmt.Errorf("%w: metadata %q: %w", graph.ErrGraph, metaPalette, err)
		}
	}
	return colors, nil
}
