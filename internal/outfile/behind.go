package outfile

import (
	"context"
	"os"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/repvit-go/repvit/internal/hugepage"
)

const (
	// blockSize is how many bytes are written at once. Blocks are used again and again, so
	// that they stay in the processor's cache on their way to the kernel.
	blockSize = 128 << 10
	// blockCount is how many blocks there are: as many as the writer may be behind.
	blockCount = 4
	// stretch is how many bytes are worth sending to the disk.
	stretch = 1 << 20
)

// behind writes a file on one goroutine and sends what is written to the disk on another,
// so that the disk works while the caller computes and the sync at the end has little left
// to do. The writer has the kernel write back what the sender makes durable next: the disk
// then takes data while it is still busy with making the data before durable.
type behind struct {
	file       *os.File
	regular    bool        // it has a disk
	block      []byte      // being filled
	full, free chan []byte // on their way to the writer and back

	group   *errgroup.Group
	failed  context.Context // done when one of the goroutines has failed; the cause says why
	written atomic.Int64    // bytes that are in file
	more    chan struct{}   // tells that there are more of them
}

// startBehind starts to write where file is positioned, after the first written bytes.
func startBehind(file *os.File, written int64, regular bool) *behind {
	b := &behind{file: file, regular: regular, full: make(chan []byte, blockCount+1), free: make(chan []byte, blockCount), more: make(chan struct{}, 1)}
	b.written.Store(written)
	slab := hugepage.Ready(blockCount * blockSize)
	for i := range blockCount {
		b.free <- slab[i*blockSize:][:0:blockSize]
	}
	b.block = <-b.free
	b.group, b.failed = errgroup.WithContext(context.Background())
	b.group.Go(b.writer)
	if regular {
		b.group.Go(func() error { return b.sender(written) })
	}
	return b
}

// writer writes full blocks until there are no more.
func (b *behind) writer() error {
	defer close(b.more)
	started := b.written.Load()
	for block := range b.full {
		n, err := b.file.Write(block)
		written := b.written.Add(int64(n))
		if err != nil {
			return err
		}
		b.free <- block[:0]
		if b.regular && written-started >= stretch {
			startWriteBack(b.file, started, written-started)
			started = written
		}
		select {
		case b.more <- struct{}{}:
		default: // it has been told
		}
	}
	return nil
}

// sender sends to the disk what has been written.
func (b *behind) sender(sent int64) error {
	for range b.more {
		written := b.written.Load()
		if written-sent < stretch {
			continue
		}
		if err := sendToDisk(b.file); err != nil {
			return err
		}
		sent = written
	}
	return nil
}

// write copies p into blocks.
func (b *behind) write(p []byte) (n int, err error) {
	for len(p) > 0 {
		k := min(len(p), cap(b.block)-len(b.block))
		b.block = append(b.block, p[:k]...)
		p, n = p[k:], n+k
		if len(b.block) < cap(b.block) {
			continue
		}
		b.full <- b.block // has room for all blocks and the last, which may be none
		b.block = nil
		select {
		case b.block = <-b.free:
		case <-b.failed.Done():
			return n, context.Cause(b.failed)
		}
	}
	return n, nil
}

// stop writes what is left, also after an error. It returns how many bytes the file holds
// and the first error.
func (b *behind) stop() (int64, error) {
	b.full <- b.block
	close(b.full)
	err := b.group.Wait()
	return b.written.Load(), err
}
