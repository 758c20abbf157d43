package infer

import (
	"fmt"

	"github.com/repvit-go/repvit/preprocess"
)

// Fit returns what whole images go through before a network for segmentation or detection sees
// them, as the metadata "repvit.preprocess" says. A size that the graph's input fixes replaces
// the rule for other sizes. The error wraps [preprocess.ErrConfig] where the file does not say it,
// or says how images are cropped, as classifiers' do; see [Session.Preprocess] for those.
func (s *Session) Fit() (preprocess.Fit, error) {
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
