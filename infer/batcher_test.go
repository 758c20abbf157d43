package infer_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
)

// never is longer than a test takes.
const never = time.Hour

func newBatcher(t *testing.T, most int, wait time.Duration) (*infer.Session, *infer.Batcher) {
	t.Helper()
	s, err := infer.New(classifier(), infer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := infer.NewBatcher(s, most, wait)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close(); s.Close() })
	return s, b
}

func picture(seed uint64, size int) *graph.Tensor {
	r := rand.New(rand.NewPCG(seed, 1))
	v := make([]float32, 3*size*size)
	for i := range v {
		v[i] = r.Float32()
	}
	return graph.Float32Tensor([]int{1, 3, size, size}, v)
}

// ask runs requests at the same time and holds the answers against those of runs alone.
func ask(t *testing.T, s *infer.Session, b *infer.Batcher, n int, size func(i int) int) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			x := picture(uint64(i), size(i))
			got, err := b.Run(context.Background(), x)
			if err != nil {
				t.Error(err)
				return
			}
			clear(x.Float32s()) // the answer is no view of it
			want, err := s.Run(context.Background(), picture(uint64(i), size(i)))
			if err != nil {
				t.Error(err)
			} else if !slices.Equal(got.Shape, want.Shape) || !slices.Equal(got.Float32s(), want.Float32s()) {
				t.Errorf("request %d: %v, alone %v", i, got.Float32s(), want.Float32s())
			}
		})
	}
	wg.Wait()
}

func TestBatcher(t *testing.T) {
	_, b := newBatcher(t, 4, never) // nothing is answered before four are there
	plain, err := infer.New(classifier(), infer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	ask(t, plain, b, 8, func(int) int { return 2 })

	s, b := newBatcher(t, 100, time.Millisecond) // one alone is answered after a while
	ask(t, s, b, 1, func(int) int { return 2 })
	ask(t, s, b, 32, func(i int) int { return 2 + i%3 })
	_, b = newBatcher(t, 3, 0)
	ask(t, s, b, 32, func(i int) int { return 2 + i%3 })
}

// TestBatcherJoins: what comes together is one run.
func TestBatcherJoins(t *testing.T) {
	s, b := newBatcher(t, 4, never)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			if _, err := b.Run(context.Background(), picture(uint64(i), 2)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := s.Stats().Shape; !slices.Equal(got, []int{4, 3, 2, 2}) {
		t.Errorf("ran %v, want four images", got)
	}
}

func TestBatcherLeaves(t *testing.T) {
	s, b := newBatcher(t, 2, never)
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(time.Millisecond, cancel)
	if _, err := b.Run(ctx, picture(0, 2)); !errors.Is(err, context.Canceled) {
		t.Errorf("found %v", err)
	}
	// Its place in the batch is taken or not; the others are answered in any case.
	time.AfterFunc(20*time.Millisecond, func() { b.Close() })
	if _, err := b.Run(context.Background(), picture(1, 2)); err != nil {
		t.Error(err)
	}
	if got := s.Stats().Shape; !slices.Equal(got, []int{1, 3, 2, 2}) {
		t.Errorf("ran %v, want the one image that somebody waits for", got)
	}
	b.Close()
	if _, err := b.Run(context.Background(), picture(1, 2)); !errors.Is(err, infer.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestBatcherRefuses(t *testing.T) {
	s, b := newBatcher(t, 2, never)
	ctx := context.Background()
	two := graph.Float32Tensor([]int{2, 3, 2, 2}, make([]float32, 24))
	if _, err := b.Run(ctx, two); !errors.Is(err, graph.ErrShape) {
		t.Errorf("two images: %v", err)
	}
	if _, err := b.Run(ctx, nil); !errors.Is(err, graph.ErrShape) {
		t.Errorf("nil: %v", err)
	}
	if _, err := infer.NewBatcher(s, 0, 0); !errors.Is(err, infer.ErrUnsupported) {
		t.Errorf("batches of none: %v", err)
	}
	g := classifier()
	g.Inputs[0].Type.Shape[0] = graph.Fixed(1)
	one, err := infer.New(g, infer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	if _, err := infer.NewBatcher(one, 2, 0); !errors.Is(err, infer.ErrUnsupported) {
		t.Errorf("a network of one image: %v", err)
	}
	s.Close()
	go b.Run(ctx, picture(0, 2))
	if _, err := b.Run(ctx, picture(0, 2)); !errors.Is(err, infer.ErrClosed) {
		t.Errorf("a closed session: %v", err)
	}
}
