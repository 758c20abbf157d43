package evaluate

import (
	"context"
	"fmt"
	"image"

	"github.com/repvit-go/repvit/detect"
	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/verify"
)

// Segmenter returns what [SegmentationImages] asks for, of a network whose first output is one
// that [preprocess.Placement.Classes] takes. Images are prepared as f says, for the size of the
// network's input where that is fixed.
func Segmenter(e verify.Engine, f preprocess.Fit) func(context.Context, image.Image) ([]int64, error) {
	return func(ctx context.Context, img image.Image) ([]int64, error) {
		outputs, at, err := answer(ctx, e, f, img)
		if err != nil {
			return nil, err
		}
		return at.Classes(outputs[0])
	}
}

// Detector returns what [DetectionImages] asks for, of a network that [detect.Is] one. Images are
// prepared as f says, for the size of the network's input where that is fixed.
func Detector(e verify.Engine, f preprocess.Fit) func(context.Context, image.Image) ([]detect.Detection, error) {
	return func(ctx context.Context, img image.Image) ([]detect.Detection, error) {
		if !detect.Is(e.Graph()) {
			return nil, fmt.Errorf("%w: found no outputs named dets and labels, as detectors have them", graph.ErrShape)
		}
		outputs, at, err := answer(ctx, e, f, img)
		if err != nil {
			return nil, err
		}
		return detect.Outputs(e.Graph(), outputs, at)
	}
}

// answer runs a network on an image.
func answer(ctx context.Context, e verify.Engine, f preprocess.Fit, img image.Image) ([]*graph.Tensor, preprocess.Placement, error) {
	g := e.Graph()
	if len(g.Inputs) != 1 || g.Inputs[0].Type == nil {
		return nil, preprocess.Placement{}, fmt.Errorf("%w: a network with %d inputs, expected one", graph.ErrUnsupported, len(g.Inputs))
	}
	x, at, err := f.For(g.Inputs[0].Type.Shape).Tensor(img)
	if err != nil {
		return nil, at, err
	}
	outputs, err := verify.RunAll(ctx, e, x)
	return outputs, at, err
}
