package infer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/repvit-go/repvit/graph"
)

var tiny = variant{"tiny", []int{12, 20, 36, 40}, []string{"10", "01", "010", "01"}, 7}

func open(t testing.TB, g *graph.Graph, opts Options) *Session {
	t.Helper()
	s, err := New(g, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func run(t testing.TB, s *Session, x *graph.Tensor) []float32 {
	t.Helper()
	y, err := s.Run(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	return y.Float32s()
}

func TestSameBitsForAnyThreads(t *testing.T) {
	for _, training := range []bool{false, true} {
		g := tiny.build(training, false)
		x := randomInput(3, 3, 65, 33)
		var want []float32
		for _, n := range []int{1, 2, 3, 5} {
			s := open(t, g, Options{Threads: n})
			for range 5 {
				got := run(t, s, x)
				if want == nil {
					want = got
				}
				for i := range want {
					if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
						t.Fatalf("%d threads: element %d is %v, with one thread %v", n, i, got[i], want[i])
					}
				}
			}
		}
	}
}

// TestBatch checks that an image's logits do not depend on its neighbours in the batch.
func TestBatch(t *testing.T) {
	s := open(t, tiny.deploy(), Options{})
	x := randomInput(3, 3, 33, 47)
	all := run(t, s, x)
	size := x.Len() / 3
	for i := range 3 {
		one := run(t, s, graph.Float32Tensor([]int{1, 3, 33, 47}, x.Float32s()[i*size:][:size]))
		if want := all[i*7:][:7]; !slices.Equal(one, want) {
			t.Errorf("image %d alone gives %v, in the batch %v", i, one, want)
		}
	}
}

func TestConcurrentRuns(t *testing.T) {
	s := open(t, tiny.deploy(), Options{Threads: 3})
	clone, err := s.Clone(Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer clone.Close()
	inputs := []*graph.Tensor{randomInput(1, 3, 32, 32), randomInput(2, 3, 33, 40), randomInput(1, 3, 64, 33)}
	var want [][]float32
	for _, x := range inputs {
		want = append(want, run(t, s, x))
	}
	var wg sync.WaitGroup
	for k := range 8 {
		wg.Go(func() {
			for i := range 12 {
				which := (k + i) % len(inputs)
				of := s
				if k%2 == 1 {
					of = clone
				}
				y, err := of.Run(context.Background(), inputs[which])
				if err != nil {
					t.Error(err)
				} else if !slices.Equal(y.Float32s(), want[which]) {
					t.Errorf("a concurrent run of input %d answers %v, want %v", which, y.Float32s(), want[which])
				}
			}
		})
	}
	wg.Wait()
}

func TestRunIntoDoesNotAllocate(t *testing.T) {
	for _, training := range []bool{false, true} {
		for _, threads := range []int{1, 2, 3} {
			s := open(t, tiny.build(training, false), Options{Threads: threads})
			shape := []int{2, 3, 33, 64}
			x := randomInput(shape...).Float32s()
			dst := make([]float32, 14)
			ctx := t.Context()
			n := testing.AllocsPerRun(50, func() {
				if err := s.RunInto(ctx, dst, shape, x); err != nil {
					t.Fatal(err)
				}
			})
			if n != 0 {
				t.Errorf("training form %v, %d threads: %v allocations a run", training, threads, n)
			}
			if want := run(t, s, graph.Float32Tensor(shape, x)); !slices.Equal(dst, want) {
				t.Errorf("RunInto gives %v, Run %v", dst, want)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	s := open(t, tiny.deploy(), Options{Threads: 2})
	done, cancel := context.WithCancel(t.Context())
	cancel()
	x := randomInput(1, 3, 32, 32)
	runOf := func(x *graph.Tensor) error { _, err := s.Run(t.Context(), x); return err }
	closed := open(t, tiny.deploy(), Options{})
	closed.Close()
	tests := []struct {
		name string
		err  error
		want error
	}{
		{"no input", runOf(nil), graph.ErrShape},
		{"four channels", runOf(randomInput(1, 4, 32, 32)), graph.ErrShape},
		{"rank 3", runOf(randomInput(3, 32, 32)), graph.ErrShape},
		{"empty batch", runOf(graph.Float32Tensor([]int{0, 3, 32, 32}, nil)), graph.ErrShape},
		{"too few bytes", runOf(&graph.Tensor{DType: graph.Float32, Shape: []int{1, 3, 32, 32}}), graph.ErrShape},
		{"wrong type", runOf(x.Half()), graph.ErrShape},
		{"done context", func() error { _, err := s.Run(done, x); return err }(), context.Canceled},
		{"short dst", s.RunInto(t.Context(), make([]float32, 6), x.Shape, x.Float32s()), graph.ErrShape},
		{"short input", s.RunInto(t.Context(), make([]float32, 7), x.Shape, x.Float32s()[1:]), graph.ErrShape},
		{"huge input", s.RunInto(t.Context(), make([]float32, 7), []int{1, 3, math.MaxInt, math.MaxInt}, nil), graph.ErrShape},
		{"closed", func() error { _, err := closed.Run(t.Context(), x); return err }(), ErrClosed},
		{"closed, observed", closed.Observe(t.Context(), x, func(*graph.Value, *graph.Tensor) error { return nil }), ErrClosed},
		{"unknown instruction set", func() error { _, err := New(tiny.deploy(), Options{ISA: "mmx"}); return err }(), ErrUnsupported},
		{"negative threads", func() error { _, err := New(tiny.deploy(), Options{Threads: -1}); return err }(), ErrUnsupported},
		{"no graph", func() error { _, err := New(&graph.Graph{}, Options{}); return err }(), graph.ErrGraph},
	}
	for _, tt := range tests {
		if !errors.Is(tt.err, tt.want) {
			t.Errorf("%s: error %v, want one that wraps %v", tt.name, tt.err, tt.want)
		}
	}
	if _, err := s.Run(t.Context(), x); err != nil {
		t.Errorf("after errors: %v", err)
	}
	b := newBuilder(3)
	b.Outputs = []*graph.Value{b.add(graph.Conv{Strides: [2]int{1, 1}, Group: 1}, b.input(),
		b.add(graph.Transpose{Perm: []int{0, 1, 2, 3}}, b.input()))}
	b.Inputs[0].Type.Shape = graph.FixedShape(3, 3, 1, 1)
	if _, err := New(b.Graph, Options{}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("weight computed from the input: error %v", err)
	}
}

// countdown is a context that is done after being asked n times.
type countdown struct {
	context.Context
	n int
}

func (c *countdown) Err() error {
	if c.n--; c.n < 0 {
		return context.DeadlineExceeded
	}
	return nil
}

func TestCancellationBetweenOperators(t *testing.T) {
	s := open(t, tiny.deploy(), Options{Threads: 2})
	x := randomInput(1, 3, 32, 32)
	want := run(t, s, x)
	for n := 1; n < 20; n += 6 {
		c := &countdown{t.Context(), n}
		if _, err := s.Run(c, x); err == nil {
			t.Errorf("a context that is done after %d operators: no error", n)
		}
		if c.n != -1 {
			t.Errorf("the run went on for %d operators after its context was done", -1-c.n)
		}
	}
	if got := run(t, s, x); !slices.Equal(got, want) {
		t.Errorf("after a cancelled run: %v, want %v", got, want)
	}
}

// TestPanicBecomesError makes a step's work panic, in helpers or in the caller.
func TestPanicBecomesError(t *testing.T) {
	s := open(t, tiny.deploy(), Options{Threads: 2})
	x := randomInput(1, 3, 64, 64)
	c, e, err := s.acquire(nil, x.Shape)
	if err != nil {
		t.Fatal(err)
	}
	good := e.parts[3].fn
	e.parts[3].fn = func(l *local, from, to int) { panic("made up") }
	s.release(c, e)
	if _, err := s.Run(t.Context(), x); !errors.Is(err, ErrPanic) || !strings.Contains(err.Error(), "made up") {
		t.Errorf("error %v, want one that wraps ErrPanic and says why", err)
	}
	e.parts[3].fn = good
	run(t, s, x)
}

func TestNonFiniteInputs(t *testing.T) {
	s := open(t, tiny.deploy(), Options{})
	x := randomInput(3, 3, 32, 32)
	want := run(t, s, x)
	v := slices.Clone(x.Float32s())
	v[3*32*32+500] = float32(math.NaN())
	got := run(t, s, graph.Float32Tensor(x.Shape, v))
	for i := range got {
		if poisoned := i/7 == 1; poisoned != (got[i] != got[i]) || !poisoned && got[i] != want[i] {
			t.Errorf("NaN in image 1: logit %d of image %d is %v, without NaN %v", i%7, i/7, got[i], want[i])
		}
	}
}

func TestClonesShareWeights(t *testing.T) {
	s := open(t, tiny.deploy(), Options{Threads: 1})
	c, err := s.Clone(Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if s.model != c.model {
		t.Error("a clone has weights of its own")
	}
	s.Close()
	run(t, c, randomInput(1, 3, 32, 32))
	packs := len(s.model.weights.packs)
	if err := c.Observe(t.Context(), randomInput(1, 3, 32, 32), func(*graph.Value, *graph.Tensor) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if n := len(s.model.weights.packs); n != packs {
		t.Errorf("observing packed %d more weights", n-packs)
	}
}

func TestPlansAreForgotten(t *testing.T) {
	s := open(t, tiny.deploy(), Options{})
	for i := range 2 * maxPlans {
		run(t, s, randomInput(1, 3, 32, 32+i))
	}
	if n := len(s.plans); n != maxPlans {
		t.Errorf("%d plans are kept, want %d", n, maxPlans)
	}
	first := s.plans[0]
	run(t, s, randomInput(first.inputs[0]...))
	if s.plans[maxPlans-1] != first {
		t.Error("a plan that was used again is not the most recent one")
	}
}

func TestArenaReusesMemory(t *testing.T) {
	s := open(t, tiny.deploy(), Options{})
	run(t, s, randomInput(1, 3, 64, 64))
	st := s.Stats()
	if st.ArenaBytes <= 0 || st.ArenaBytes > st.ValueBytes*2/3 {
		t.Errorf("the arena has %d bytes for values of %d", st.ArenaBytes, st.ValueBytes)
	}
}

// TestArenaParts checks that parts in use at the same time do not overlap.
func TestArenaParts(t *testing.T) {
	for _, training := range []bool{false, true} {
		s := open(t, tiny.build(training, false), Options{})
		types, _ := s.model.program.graph.Infer(graph.FixedShape(1, 3, 40, 40))
		p := &planner{plan: &plan{program: s.model.program, inputs: [][]int{{1, 3, 40, 40}}, threads: 1}, most: 1 << 40, set: s.model.weights.set,
			types: types, values: map[*graph.Value]*buffer{}, views: map[viewKey]*buffer{}}
		if err := p.make(); err != nil {
			t.Fatal(err)
		}
		for i, a := range p.stores {
			if a.offset+a.size > p.arena {
				t.Errorf("part %d ends at %d, behind the arena's end %d", i, a.offset+a.size, p.arena)
			}
			for _, b := range p.stores[:i] {
				if a.first <= b.last && b.first <= a.last && a.offset < b.offset+b.size && b.offset < a.offset+a.size {
					t.Errorf("parts [%d,+%d) of steps %d–%d and [%d,+%d) of steps %d–%d overlap", a.offset, a.size, a.first, a.last, b.offset, b.size, b.first, b.last)
				}
			}
		}
	}
}

func TestProfile(t *testing.T) {
	g := tiny.deploy()
	s := open(t, g, Options{Threads: 2})
	x := randomInput(2, 3, 64, 64)
	ops, err := s.Profile(t.Context(), x, 3)
	if err != nil {
		t.Fatal(err)
	}
	want, err := g.MACs(graph.FixedShape(x.Shape...))
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	for _, o := range ops {
		sum += o.MACs
		if o.Time <= 0 {
			t.Errorf("%s (%s) took no time", o.Name, o.Kind)
		}
	}
	if sum != want {
		t.Errorf("operators with %d multiplications in total, want %d", sum, want)
	}
}

// TestHelpersEnd checks that closed and forgotten sessions leave no goroutines.
func TestHelpersEnd(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 3 {
		s, err := New(tiny.deploy(), Options{Threads: 4})
		if err != nil {
			t.Fatal(err)
		}
		run(t, s, randomInput(1, 3, 64, 64))
		s.Close()
		s, err = New(tiny.deploy(), Options{Threads: 4})
		if err != nil {
			t.Fatal(err)
		}
		run(t, s, randomInput(1, 3, 64, 64))
	}
	for i := 0; runtime.NumGoroutine() > before; i++ {
		if i == 200 {
			t.Fatalf("%d goroutines, before there were %d", runtime.NumGoroutine(), before)
		}
		runtime.GC()
		time.Sleep(10 * time.Millisecond)
	}
}

func TestObserveNamesEveryValue(t *testing.T) {
	g := tiny.build(true, false)
	s := open(t, g, Options{})
	var names []string
	err := s.Observe(t.Context(), randomInput(1, 3, 32, 32), func(v *graph.Value, _ *graph.Tensor) error {
		names = append(names, v.Name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"input"}
	for _, n := range g.Nodes {
		want = append(want, n.Name())
	}
	if !slices.Equal(names, want) {
		t.Errorf("values %v, want %v", names, want)
	}
	stop := errors.New("enough")
	if err := s.Observe(t.Context(), randomInput(1, 3, 32, 32), func(*graph.Value, *graph.Tensor) error { return stop }); err != stop {
		t.Errorf("error %v, want the callback's", err)
	}
}

func BenchmarkNetwork(b *testing.B) {
	for _, v := range []variant{m09, m11, m23} {
		g := v.deploy()
		for _, batch := range []int{1, 8} {
			for _, threads := range []int{1, runtime.GOMAXPROCS(0)} {
				b.Run(fmt.Sprintf("%s/batch=%d/threads=%d", v.name, batch, threads), func(b *testing.B) {
					benchmark(b, g, threads, batch, 3, 224, 224)
				})
			}
		}
	}
}

// BenchmarkResolution shows that cost grows with pixels.
func BenchmarkResolution(b *testing.B) {
	g := m09.deploy()
	for _, size := range []int{224, 448, 1024} {
		for _, batch := range []int{1, 8, 32} {
			if size == 1024 && batch == 32 {
				continue // an arena of 2 GB
			}
			b.Run(fmt.Sprintf("%d/batch=%d", size, batch), func(b *testing.B) { benchmark(b, g, 0, batch, 3, size, size) })
		}
	}
}

func BenchmarkTrainingForm(b *testing.B) {
	benchmark(b, m09.build(true, false), 0, 1, 3, 224, 224)
}

// BenchmarkOpen measures what a service waits for: packing and the first run.
func BenchmarkOpen(b *testing.B) {
	g := m09.deploy()
	x := randomInput(1, 3, 224, 224)
	for b.Loop() {
		s, err := New(g, Options{})
		if err != nil {
			b.Fatal(err)
		}
		run(b, s, x)
		s.Close()
	}
}

func benchmark(b *testing.B, g *graph.Graph, threads int, shape ...int) {
	s := open(b, g, Options{Threads: threads})
	x := randomInput(shape...).Float32s()
	out, err := s.OutputShape(shape)
	if err != nil {
		b.Fatal(err)
	}
	dst := make([]float32, elements(out))
	for b.Loop() {
		if err := s.RunInto(context.Background(), dst, shape, x); err != nil {
			b.Fatal(err)
		}
	}
	macs, err := g.MACs(graph.FixedShape(shape...))
	if err != nil {
		b.Fatal(err)
	}
	took := b.Elapsed().Seconds() / float64(b.N)
	b.ReportMetric(took*1e3, "ms")
	b.ReportMetric(2*float64(macs)/took/1e9, "GFLOP/s")
	b.ReportMetric(took*1e9/float64(shape[0]*shape[2]*shape[3]), "ms/Mpixel")
}

// BenchmarkStep measures what handing out a step costs.
func BenchmarkStep(b *testing.B) {
	for _, threads := range []int{2, 3} {
		b.Run(fmt.Sprintf("threads=%d", threads), func(b *testing.B) {
			p := newPool(threads - 1)
			defer p.close()
			t := &team{pool: p, threads: threads}
			t.open.Store(true)
			work := part{fn: func(*local, int, int) {}, units: 16, grain: 1}
			var l local
			for b.Loop() {
				t.do(&work, &l)
			}
			t.open.Store(false)
		})
	}
}

func TestTop(t *testing.T) {
	b := newBuilder(3)
	b.Outputs = []*graph.Value{b.add(graph.Flatten{}, b.add(graph.GlobalAveragePool{}, b.input()))}
	b.Metadata = map[string]string{}
	s := open(t, b.Graph, Options{Threads: 1})
	nan := float32(math.NaN())
	tests := []struct {
		labels string
		logits []float32
		k      int
		want   string
	}{
		{"", []float32{0, 2, 2}, 2, "[{1 1 0.4683} {2 2 0.4683}]"},
		{"", []float32{0, 2, 2}, 9, "[{1 1 0.4683} {2 2 0.4683} {0 0 0.0634}]"},
		{"", []float32{0, 2, 2}, -1, "[]"},
		{`["a","b","c"]`, []float32{-1000, -500, 0}, 3, "[{c 2 1.0000} {b 1 0.0000} {a 0 0.0000}]"},
		{"", []float32{nan, 1, 2}, 2, "[{2 2 NaN} {1 1 NaN}]"},
	}
	for _, tt := range tests {
		delete(b.Metadata, metaLabels)
		if tt.labels != "" {
			b.Metadata[metaLabels] = tt.labels
		}
		top, err := s.Top(tt.logits, tt.k)
		if got := printed(top); err != nil || got != tt.want {
			t.Errorf("top %d of %v: %s, %v, want %s", tt.k, tt.logits, got, err, tt.want)
		}
	}
	delete(b.Metadata, metaLabels)
	// Scores of graphs that end in Softmax are what they give.
	b.Outputs[0] = b.add(graph.Softmax{}, b.Outputs[0])
	for _, to := range []graph.DType{0, graph.Float16, graph.Float32} {
		if to != 0 {
			b.Outputs[0] = b.add(graph.Cast{To: to}, b.Outputs[0])
		}
		top, err := open(t, b.Graph, Options{Threads: 1}).Top([]float32{0.25, 0.125, 0.625}, 2)
		if got, want := printed(top), "[{2 2 0.6250} {0 0 0.2500}]"; err != nil || got != want {
			t.Errorf("probabilities as %v: %s, %v, want %s", to, got, err, want)
		}
	}
	b.Metadata[metaLabels] = `["a"]`
	if _, err := s.Top([]float32{1, 2, 3}, 1); !errors.Is(err, graph.ErrShape) {
		t.Errorf("one label for three logits: error %v", err)
	}
	b.Metadata[metaLabels] = `{`
	if _, err := s.Top([]float32{1, 2, 3}, 1); !errors.Is(err, graph.ErrGraph) {
		t.Errorf("malformed labels: error %v", err)
	}
}

func printed(ps []Prediction) string {
	var words []string
	for _, p := range ps {
		words = append(words, fmt.Sprintf("{%s %d %.4f}", p.Label, p.Index, p.Score))
	}
	return fmt.Sprint(words)
}

// Values are float32 inside: a float64 input that has no such form is refused.
func TestRunRefusesLargeNumbers(t *testing.T) {
	x := &graph.Value{Name: "x", Type: &graph.Type{DType: graph.Float64, Shape: graph.FixedShape(2)}}
	g := &graph.Graph{Inputs: []*graph.Value{x}}
	g.Outputs = []*graph.Value{g.Add("y", graph.Relu{}, x)}
	s, err := New(g, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Run(context.Background(), graph.Float64Tensor([]int{2}, []float64{1, 1e39})); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "1e+39") {
		t.Errorf("1e39: %v", err)
	}
	if _, err := s.Run(context.Background(), graph.Float64Tensor([]int{2}, []float64{math.Inf(1), 1e38})); err != nil {
		t.Errorf("infinity: %v", err)
	}
}
