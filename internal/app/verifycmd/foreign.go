//go:build foreign

package verifycmd

import (
	"errors"
	"fmt"

	"github.com/repvit-go/repvit/internal/format"
	"github.com/repvit-go/repvit/internal/load"
	"github.com/repvit-go/repvit/internal/printable"
	"github.com/repvit-go/repvit/onnx"
	"github.com/repvit-go/repvit/verify/foreign"
)

// secondDecoder has an ONNX file decoded once more by software that shares no code with
// the project, and says what came of it.
func secondDecoder(f *load.File) (note string, err error) {
	if f.Format != format.ONNX {
		return "", nil
	}
	r, err := foreign.Check(f.Data, f.Graph)
	switch {
	case errors.Is(err, foreign.ErrUnsupported), errors.Is(err, foreign.ErrDecode) && f.Converted.Producer != onnx.Producer:
		return "not compared with a second decoder: " + printable.Line(err.Error()), nil
	case err != nil:
		return "", fmt.Errorf("%s: %w", f.Path, err)
	}
	return fmt.Sprintf("a second decoder (onnx-go) reads the same %d nodes and %d initializers", r.Nodes, r.Initializers), nil
}
