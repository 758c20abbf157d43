package verify

import (
	"context"
	"encoding/json"
	"errors"
	"math"

	"github.com/repvit-go/repvit/graph"
)

// NotFinite is where a network's values stop being numbers.
type NotFinite struct {
	Got   bool   // it is the network that was compared, not the one wanted
	Value string // the first value with a NaN or an infinity
}

// MarshalJSON encodes n as {"network": "got", "value": "…"}.
func (n NotFinite) MarshalJSON() ([]byte, error) {
	network := "want"
	if n.Got {
		network = "got"
	}
	return json.Marshal(struct {
		Network string `json:"network"`
		Value   string `json:"value"`
	}{network, n.Value})
}

// FirstNotFinite runs a network up to the first value, in the order of its nodes, that holds
// a NaN or an infinity, and returns its name; "" where all values are finite.
func FirstNotFinite(ctx context.Context, e Engine, x *graph.Tensor) (string, error) {
	return firstNotFinite(ctx, e, []*graph.Tensor{x})
}

func firstNotFinite(ctx context.Context, e Engine, inputs []*graph.Tensor) (string, error) {
	first := ""
	err := ObserveAll(ctx, e, inputs, func(v *graph.Value, t *graph.Tensor) error {
		if allFinite(t) {
			return nil
		}
		first = v.Name
		return errStop
	})
	if errors.Is(err, errStop) {
		err = nil
	}
	return first, err
}

func allFinite(t *graph.Tensor) bool {
	for values := range pieces(t, t) {
		for _, v := range values {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return false
			}
		}
	}
	return true
}

// notFinite looks for the reason why outputs of a network are not finite. An engine that
// fuses operators can overflow where Observe does not; then it is the output itself.
func notFinite(ctx context.Context, e Engine, inputs []*graph.Tensor, outputs []*graph.Tensor, got bool) (*NotFinite, error) {
	for i, y := range outputs {
		if allFinite(y) {
			continue
		}
		name, err := firstNotFinite(ctx, e, inputs)
		if err != nil {
			return nil, err
		}
		if name == "" {
			name = e.Graph().Outputs[i].Name
		}
		return &NotFinite{got, name}, nil
	}
	return nil, nil
}
