package infer

import (
	"context"
	"fmt"
	stdimage "image"
	"slices"
	"sync"
	"time"

	"github.com/repvit-go/repvit/graph"
)

// Batcher collects the images that goroutines ask about at the same time and computes them in one run,
// which for some networks and machines takes less time than a run for each: [Session.Profile] and
// "repvit-verify bench --batch" tell whether it does. Requests are served in the order in which they come.
// One run goes on at a time, with all cores of the session. A Batcher may be used from many
// goroutines at once.
type Batcher struct {
	session  *Session
	most     int
	wait     time.Duration
	requests chan *request
	closing  chan struct{} // closed by Close
	done     chan struct{} // closed when everything accepted is answered
	once     sync.Once
}

// request is one input on its way.
type request struct {
	ctx    context.Context
	input  *graph.Tensor
	copied chan struct{} // closed when the input is the caller's again
	answer chan answer   // takes one
}

type answer struct {
	output *graph.Tensor
	err    error
}

// NewBatcher returns one for a session, which it does not close. A run takes most images at most, and the
// first of them waits for others no longer than wait; 0 takes only those that wait already. The error
// wraps [ErrUnsupported] where the network takes a fixed number of images, has several inputs, or
// most is less than 1 or wait is negative.
func NewBatcher(s *Session, most int, wait time.Duration) (*Batcher, error) {
	if err := s.ready(); err != nil {
		return nil, err
	}
	in := s.model.graph.Inputs
	switch {
	case most < 1 || wait < 0:
		return nil, fmt.Errorf("%w: found batches of %d images after %v, expected at least 1 and no negative time", ErrUnsupported, most, wait)
	case len(in) != 1 || len(in[0].Type.Shape) == 0 || in[0].Type.Shape[0].Known():
		return nil, fmt.Errorf("%w: found inputs that do not take any number of images, expected one that does: convert without --batch", ErrUnsupported)
	}
	b := &Batcher{session: s, most: most, wait: wait, requests: make(chan *request), closing: make(chan struct{}), done: make(chan struct{})}
	go b.serve()
	return b, nil
}

// Classify is [Session.Classify], in a run with the images of others.
func (b *Batcher) Classify(ctx context.Context, img stdimage.Image, k int) ([]Prediction, error) {
	if b == nil {
		return nil, errNone
	}
	c, err := b.session.Preprocess()
	if err != nil {
		return nil, err
	}
	x, err := c.Tensor(img)
	if err != nil {
		return nil, err
	}
	logits, err := b.Run(ctx, convert(x, b.session.model.graph.Inputs[0].Type.DType))
	if err != nil {
		return nil, err
	}
	if len(logits.Shape) != 2 {
		return nil, fmt.Errorf("%w: found a graph that gives %v, expected 1×classes", ErrUnsupported, logits.Shape)
	}
	return b.session.Top(logits.Float32s(), k)
}

// Run is [Session.Run] for the input of one image, 1×3×H×W, in a run with those of others. It returns when
// ctx is done, whatever becomes of the others; a run that nobody waits for any more is ended. The error
// is one of Session.Run, or [ErrClosed].
func (b *Batcher) Run(ctx context.Context, input *graph.Tensor) (*graph.Tensor, error) {
	if b == nil {
		return nil, errNone
	}
	if _, _, err := b.session.accept([]*graph.Tensor{input}); err != nil {
		return nil, err
	}
	if len(input.Shape) == 0 || input.Shape[0] != 1 {
		return nil, fmt.Errorf("%w: found an input of shape %v, expected one image", graph.ErrShape, input.Shape)
	}
	select {
	case <-b.closing:
		return nil, ErrClosed
	default:
	}
	r := &request{ctx, input, make(chan struct{}), make(chan answer, 1)}
	select {
	case b.requests <- r:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-b.closing:
		return nil, ErrClosed
	}
	<-r.copied
	select {
	case a := <-r.answer:
		return a.output, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close answers what has been accepted, and returns then; later requests get [ErrClosed]. It never fails
// and may be called again.
func (b *Batcher) Close() error {
	if b != nil {
		b.once.Do(func() { close(b.closing) })
		<-b.done
	}
	return nil
}

// serve makes batches until the Batcher closes.
func (b *Batcher) serve() {
	defer close(b.done)
	var first *batch // of another size than those before it
	for {
		if first == nil {
			select {
			case r := <-b.requests:
				first = newBatch(r)
			case <-b.closing:
				return
			}
		}
		first = b.collect(first)
	}
}

// collect fills the batch, runs it and returns the beginning of another where an input of another
// size came.
func (b *Batcher) collect(now *batch) (next *batch) {
	timer := time.NewTimer(b.wait)
	defer timer.Stop()
	late := false
	for next == nil && len(now.requests) < b.most {
		var r *request
		select { // those that wait already come first
		case r = <-b.requests:
		default:
			if late {
				b.run(now)
				return nil
			}
			select {
			case r = <-b.requests:
			case <-timer.C:
				late = true
				continue
			case <-b.closing:
				late = true
				continue
			}
		}
		if slices.Equal(r.input.Shape, now.shape) {
			now.add(r)
		} else {
			next = newBatch(r)
		}
	}
	b.run(now)
	return next
}

// run answers the requests of a batch.
func (b *Batcher) run(now *batch) {
	now.drop()
	if len(now.requests) == 0 {
		return
	}
	// The run ends when all of its requests have.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var mu sync.Mutex
	waiting := len(now.requests)
	for _, r := range now.requests {
		stop := context.AfterFunc(r.ctx, func() {
			mu.Lock()
			defer mu.Unlock()
			if waiting--; waiting == 0 {
				cancel()
			}
		})
		defer stop()
	}
	x, err := now.input(b.session.model.graph.Inputs[0].Type.DType)
	var y *graph.Tensor
	if err == nil {
		y, err = b.session.Run(ctx, x)
	}
	if err == nil && (len(y.Shape) == 0 || y.Shape[0] != len(now.requests)) {
		err = fmt.Errorf("%w: found an output of shape %v for %d images, expected one row for each", ErrUnsupported, y.Shape, len(now.requests))
	}
	for i, r := range now.requests {
		a := answer{err: err}
		if err == nil {
			a.output = y.Slice(i, i+1)
		}
		r.answer <- a
	}
}

// batch is some requests for inputs of one shape.
type batch struct {
	shape    []int
	requests []*request
	bytes    [][]byte
}

func newBatch(r *request) *batch {
	b := &batch{shape: slices.Clone(r.input.Shape)}
	b.add(r)
	return b
}

// add copies the input, which its owner may change once the request has ended.
func (b *batch) add(r *request) {
	b.requests, b.bytes = append(b.requests, r), append(b.bytes, slices.Clone(r.input.Bytes()))
	close(r.copied)
}

// drop leaves out requests that nobody waits for any more.
func (b *batch) drop() {
	requests, bytes := b.requests[:0], b.bytes[:0]
	for i, r := range b.requests {
		if r.ctx.Err() == nil {
			requests, bytes = append(requests, r), append(bytes, b.bytes[i])
		}
	}
	b.requests, b.bytes = requests, bytes
}

// input is that of all requests.
func (b *batch) input(t graph.DType) (*graph.Tensor, error) {
	shape := slices.Clone(b.shape)
	shape[0] = len(b.requests)
	return graph.NewTensor(t, shape, slices.Concat(b.bytes...))
}
