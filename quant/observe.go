package quant

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
)

// observe runs the watched graph over the data and hands every value of the network to f,
// which is called for one value at a time, in order.
func observe(ctx context.Context, n *network, data []*graph.Tensor, o Options, stage string, f func(*graph.Value, *graph.Tensor) error) error {
	s, err := infer.New(n.watched, infer.Options{Threads: o.Threads})
	if err != nil {
		return err
	}
	defer s.Close()
	values := map[string]*graph.Value{}
	for _, v := range n.g.Inputs {
		values[v.Name] = v
	}
	for _, node := range n.g.Nodes {
		values[node.Name()] = node.Output
	}
	for i, x := range data {
		o.Progress(stage, i, len(data))
		err := s.Observe(ctx, x, func(v *graph.Value, t *graph.Tensor) error {
			if own := values[v.Name]; own != nil {
				return f(own, t)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	o.Progress(stage, len(data), len(data))
	return ctx.Err()
}

// outputs runs g over the data and returns the elements of its outputs, one after another.
func outputs(ctx context.Context, g *graph.Graph, data []*graph.Tensor, threads int) ([]float32, error) {
	s, err := infer.New(g, infer.Options{Threads: threads})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	var all []float32
	for _, x := range data {
		ts, err := s.RunAll(ctx, x)
		if err != nil {
			return nil, err
		}
		for _, t := range ts {
			all = append(all, t.Float32s()...)
		}
	}
	return all, ctx.Err()
}

// batchPixels bounds a batch so that its activations take some tens of megabytes.
const batchPixels = 16 * 64 * 64

// batches checks the calibration inputs and cuts them into batches.
func batches(data []*graph.Tensor, channels int) ([]*graph.Tensor, int, error) {
	var out []*graph.Tensor
	samples := 0
	for i, t := range data {
		if t == nil || t.DType != graph.Float32 || len(t.Shape) != 4 || t.Shape[1] != channels || t.Len() == 0 {
			found := "nothing"
			if t != nil {
				found = fmt.Sprintf("%v of %v", t.DType, t.Shape)
			}
			return nil, 0, fmt.Errorf("%w: input %d is %s, expected float32 N×%d×H×W", ErrCalibration, i, found, channels)
		}
		v := t.Float32s()
		for j, x := range v {
			if x-x != 0 {
				return nil, 0, fmt.Errorf("%w: element %d of input %d is %v, expected finite numbers", ErrCalibration, j, i, x)
			}
		}
		samples += t.Shape[0]
		each := len(v) / t.Shape[0]
		step := max(1, batchPixels/(t.Shape[2]*t.Shape[3]))
		for from := 0; from < t.Shape[0]; {
			n := min(step, t.Shape[0]-from)
			part := v[from*each : (from+n)*each]
			from += n
			if k := len(out) - 1; k >= 0 && same(out[k].Shape[1:], t.Shape[1:]) && out[k].Shape[0]+n <= step {
				old := out[k]
				joined := append(append(make([]float32, 0, len(part)+old.Len()), old.Float32s()...), part...)
				out[k] = graph.Float32Tensor([]int{old.Shape[0] + n, channels, t.Shape[2], t.Shape[3]}, joined)
				continue
			}
			out = append(out, graph.Float32Tensor([]int{n, channels, t.Shape[2], t.Shape[3]}, part))
		}
	}
	if samples == 0 {
		return nil, 0, fmt.Errorf("%w: no inputs, expected at least one", ErrCalibration)
	}
	return out, samples, nil
}

// some returns about n samples of the data, spread evenly.
func some(data []*graph.Tensor, n int) []*graph.Tensor {
	var out []*graph.Tensor
	total := 0
	for _, t := range data {
		total += t.Shape[0]
	}
	step := max(1, (total+n-1)/n)
	index := 0
	for _, t := range data {
		v := t.Float32s()
		each := len(v) / t.Shape[0]
		var part []float32
		for i := range t.Shape[0] {
			if index%step == 0 {
				part = append(part, v[i*each:(i+1)*each]...)
			}
			index++
		}
		if len(part) > 0 {
			out = append(out, graph.Float32Tensor([]int{len(part) / each, t.Shape[1], t.Shape[2], t.Shape[3]}, part))
		}
	}
	return out
}

// parallel calls f for 0 … n−1 on several goroutines and returns the error of the lowest
// index. Results do not depend on the number of goroutines.
func parallel(n, threads int, f func(i int) error) error {
	if threads < 1 {
		threads = runtime.GOMAXPROCS(0)
	}
	errs := make([]error, n)
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(threads, n) {
		wg.Go(func() {
			for i := range next {
				errs[i] = f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
