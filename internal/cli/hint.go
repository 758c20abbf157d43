package cli

import (
	"errors"
	"fmt"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/pytorch"
)

// Hint names the flag that helps in an error of a library, which knows none.
func Hint(err error) error {
	if errors.Is(err, graph.ErrBudget) {
		return fmt.Errorf("%w; --max-memory allows more", err)
	}
	for _, h := range []struct {
		is    error
		flags string
	}{
		{pytorch.ErrAmbiguous, "--key NAME"},
		{model.ErrStrides, "--strides"},
		{model.ErrTaps, "--taps"},
		{model.ErrEncoder, "--part decoder"},
		{model.ErrHead, "--ignore-head, --embedding or --features"},
	} {
		if errors.Is(err, h.is) {
			return fmt.Errorf("%w (%s)", err, h.flags)
		}
	}
	return err
}
