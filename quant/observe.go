package quant

import (
	"context"
	"fmt"
	"math/rand/v2"
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
		for _, v := range node.Outputs() {
			values[v.Name] = v
		}
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

// outputs runs g over the data and returns what each of its outputs was, batch after batch.
func outputs(ctx context.Context, g *graph.Graph, data []*graph.Tensor, threads int) ([][]*graph.Tensor, error) {
	s, err := infer.New(g, infer.Options{Threads: threads})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	all := make([][]*graph.Tensor, len(g.Outputs))
	for _, x := range data {
		ts, err := s.RunAll(ctx, x)
		if err != nil {
			return nil, err
		}
		for i, t := range ts {
			all[i] = append(all[i], t)
		}
	}
	return all, ctx.Err()
}

// batchPixels bounds a batch so that its activations take some tens of megabytes.
const batchPixels = 16 * 64 * 64

// singles checks the inputs given and returns their images one by one.
func singles(inputs []*graph.Tensor, channels int) ([]*graph.Tensor, error) {
	var out []*graph.Tensor
	for i, t := range inputs {
		if t == nil || t.DType != graph.Float32 || len(t.Shape) != 4 || t.Shape[1] != channels || t.Len() == 0 {
			found := "nothing"
			if t != nil {
				found = fmt.Sprintf("%v of %v", t.DType, t.Shape)
			}
			return nil, fmt.Errorf("%w: input %d is %s, expected float32 N×%d×H×W", ErrCalibration, i, found, channels)
		}
		for j, x := range t.Float32s() {
			if x-x != 0 {
				return nil, fmt.Errorf("%w: element %d of input %d is %v, expected finite numbers", ErrCalibration, j, i, x)
			}
		}
		for k := range t.Shape[0] {
			out = append(out, t.Slice(k, k+1))
		}
	}
	return out, nil
}

// heldOutShare is how many images there are for each that is held out.
const heldOutShare = 4

// holdOut divides images into most of them and those to measure on: of every four in a row
// one, at a place drawn with a fixed seed, so that an order that repeats every few images
// does no harm.
func holdOut(all []*graph.Tensor) (most, held []*graph.Tensor, err error) {
	if len(all) < 2 {
		return nil, nil, fmt.Errorf("%w: found %d image, expected at least 2, because one in %d is held out to measure on", ErrCalibration, len(all), heldOutShare)
	}
	r := rand.New(rand.NewPCG(uint64(len(all)), 0x5851f42d4c957f2d))
	n := max(1, len(all)/heldOutShare)
	for i := range n {
		from, to := i*len(all)/n, (i+1)*len(all)/n
		k := from + r.IntN(to-from)
		most = append(append(most, all[from:k]...), all[k+1:to]...)
		held = append(held, all[k])
	}
	return most, held, nil
}

// batches joins images of one size that follow each other.
func batches(images []*graph.Tensor) []*graph.Tensor {
	var out []*graph.Tensor
	for len(images) > 0 {
		shape := images[0].Shape
		n := 1
		for most := max(1, batchPixels/(shape[2]*shape[3])); n < min(most, len(images)) && same(images[n].Shape, shape); n++ {
		}
		joined := make([]float32, 0, n*images[0].Len())
		for _, t := range images[:n] {
			joined = append(joined, t.Float32s()...)
		}
		out = append(out, graph.Float32Tensor([]int{n, shape[1], shape[2], shape[3]}, joined))
		images = images[n:]
	}
	return out
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
