package infer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/repvit-go/repvit/graph"
)

// Prediction is one class of an image.
type Prediction struct {
	Label string  // name of the class; its index where the model has no labels
	Index int     // position in the logits
	Score float32 // probability, in 0..1
}

// metaLabels is the key of the graph's metadata under which class names stand, a JSON array
// of strings.
const metaLabels = "repvit.labels"

// Top returns the k most probable classes, or all if there are fewer, most probable first,
// given the logits of one image as [Session.Run] computes them. Equal scores are ordered by
// index and NaN comes last. Scores are the softmax of the logits, unless the graph ends in
// Softmax itself. The error wraps [graph.ErrGraph] where the model's labels are malformed
// and [graph.ErrShape] where their number differs from that of the logits.
func (s *Session) Top(logits []float32, k int) ([]Prediction, error) {
	g := s.model.graph
	var labels []string
	if text, ok := g.Metadata[metaLabels]; ok {
		if err := json.Unmarshal([]byte(text), &labels); err != nil {
			return nil, fmt.Errorf("%w: metadata %q: %w", graph.ErrGraph, metaLabels, err)
		}
		if len(labels) != len(logits) {
			return nil, fmt.Errorf("%w: %d labels for %d logits", graph.ErrShape, len(labels), len(logits))
		}
	}
	scores := logits
	if n := g.Producers()[g.Outputs[0]]; n == nil || n.Op != graph.Op(graph.Softmax{}) {
		scores = make([]float32, len(logits))
		softmax(scores, logits)
	}
	order := make([]int, len(logits))
	for i := range order {
		order[i] = i
	}
	// By logits: the scores of very small ones are all zero.
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(logits[b], logits[a]) })
	top := make([]Prediction, min(max(k, 0), len(order)))
	for i := range top {
		c := order[i]
		top[i] = Prediction{Label: strconv.Itoa(c), Index: c, Score: scores[c]}
		if labels != nil {
			top[i].Label = labels[c]
		}
	}
	return top, nil
}
