package tflite

import (
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
)

// A flatbuffer (https://flatbuffers.dev/internals) is written forwards here: tables first, then the
// bytes of buffers, which go to the file from where they are.

// table is a table to be written: its fields by slot. A field is a bool, int8, uint8, int32, uint32,
// text, a table, or a vector: tables, []int32, []int64, []float32, or a blob. What has its default is
// left out by whoever makes the table.
type table map[int]any

type (
	text   string
	tables []table
	// blob is a vector of bytes at a multiple of 16, which is written last.
	blob struct{ parts [][]byte }
)

func (b blob) size() int {
	n := 0
	for _, p := range b.parts {
		n += len(p)
	}
	return n
}

// layout places tables and vectors.
type layout struct {
	head  []byte // everything but blobs
	queue []pending
	blobs []placed
	size  int // of the file
}

// pending is what an offset in head will point to.
type pending struct {
	from  int // of the offset
	field any
}

// placed is a blob and the padding before and behind it.
type placed struct {
	blob
	before, after int
}

// place lays a file out: the root's offset, the identifier, and what follows from the root.
func place(root table, identifier string) *layout {
	l := &layout{head: make([]byte, 4, 64<<10)}
	l.head = append(l.head, identifier...)
	l.queue = []pending{{0, root}}
	var last []pending
	for len(l.queue) > 0 {
		p := l.queue[0]
		l.queue = l.queue[1:]
		if _, ok := p.field.(blob); ok {
			last = append(last, p)
			continue
		}
		l.write(p)
	}
	l.align(4)
	l.size = len(l.head)
	for _, p := range last {
		b := placed{blob: p.field.(blob)}
		b.before = (16 - (l.size+4)%16) % 16
		l.size += b.before
		binary.LittleEndian.PutUint32(l.head[p.from:], uint32(l.size-p.from))
		l.size += 4 + b.size()
		b.after = (4 - l.size%4) % 4
		l.size += b.after
		l.blobs = append(l.blobs, b)
	}
	return l
}

func (l *layout) align(n int) {
	for len(l.head)%n != 0 {
		l.head = append(l.head, 0)
	}
}

// write appends what an offset points to, and sets the offset.
func (l *layout) write(p pending) {
	at := 0
	vector := func(n, width int) {
		l.align(4)
		for (len(l.head)+4)%width != 0 {
			l.head = append(l.head, 0, 0, 0, 0)
		}
		at = len(l.head)
		l.head = binary.LittleEndian.AppendUint32(l.head, uint32(n))
	}
	switch v := p.field.(type) {
	case table:
		at = l.table(v)
	case text:
		vector(len(v), 1)
		l.head = append(append(l.head, v...), 0)
	case tables:
		vector(len(v), 4)
		for _, t := range v {
			l.queue = append(l.queue, pending{len(l.head), t})
			l.head = append(l.head, 0, 0, 0, 0)
		}
	case []int32:
		vector(len(v), 4)
		for _, x := range v {
			l.head = binary.LittleEndian.AppendUint32(l.head, uint32(x))
		}
	case []float32:
		vector(len(v), 4)
		for _, x := range v {
			l.head = binary.LittleEndian.AppendUint32(l.head, math.Float32bits(x))
		}
	case []int64:
		vector(len(v), 8)
		for _, x := range v {
			l.head = binary.LittleEndian.AppendUint64(l.head, uint64(x))
		}
	}
	binary.LittleEndian.PutUint32(l.head[p.from:], uint32(at-p.from))
}

// table appends a table behind its vtable and returns where it begins.
func (l *layout) table(t table) int {
	slots := 0
	order := slices.Sorted(maps.Keys(t))
	for _, s := range order {
		slots = max(slots, s+1)
	}
	// Large fields first, so that none needs padding.
	width := func(s int) int {
		switch t[s].(type) {
		case bool, int8, uint8:
			return 1
		}
		return 4
	}
	slices.SortStableFunc(order, func(a, b int) int { return width(b) - width(a) })
	l.align(4)
	if slots%2 != 0 {
		l.head = append(l.head, 0, 0) // the vtable ends at a multiple of 4
	}
	v := len(l.head)
	l.head = append(l.head, make([]byte, 4+2*slots)...)
	at := len(l.head)
	l.head = binary.LittleEndian.AppendUint32(l.head, uint32(at-v))
	for _, s := range order {
		binary.LittleEndian.PutUint16(l.head[v+4+2*s:], uint16(len(l.head)-at))
		switch x := t[s].(type) {
		case bool:
			b := byte(0)
			if x {
				b = 1
			}
			l.head = append(l.head, b)
		case int8:
			l.head = append(l.head, byte(x))
		case uint8:
			l.head = append(l.head, x)
		case int32:
			l.head = binary.LittleEndian.AppendUint32(l.head, uint32(x))
		case uint32:
			l.head = binary.LittleEndian.AppendUint32(l.head, x)
		default:
			l.queue = append(l.queue, pending{len(l.head), x})
			l.head = append(l.head, 0, 0, 0, 0)
		}
	}
	binary.LittleEndian.PutUint16(l.head[v:], uint16(4+2*slots))
	binary.LittleEndian.PutUint16(l.head[v+2:], uint16(len(l.head)-at))
	return at
}

// WriteTo writes the file.
func (l *layout) WriteTo(w io.Writer) (n int64, err error) {
	write := func(b []byte) {
		if err == nil {
			var k int
			k, err = w.Write(b)
			n += int64(k)
		}
	}
	write(l.head)
	var around [16 + 4]byte
	for _, b := range l.blobs {
		clear(around[:])
		binary.LittleEndian.PutUint32(around[b.before:], uint32(b.size()))
		write(around[:b.before+4])
		for _, p := range b.parts {
			write(p)
		}
		clear(around[:])
		write(around[:b.after])
	}
	return n, err
}

// view is a table of a file that is read. Its methods keep inside the file; the first problem makes
// the reader's error.
type view struct {
	r      *reader
	at     int
	vtable []byte // the slots' offsets
	size   int
}

// reader reads a flatbuffer.
type reader struct {
	data []byte
	err  error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, args...))
	}
}

func (r *reader) u32(at int) int {
	if at < 0 || at > len(r.data)-4 {
		r.fail("byte %d: expected four bytes inside the file", at)
		return 0
	}
	return int(binary.LittleEndian.Uint32(r.data[at:]))
}

// table returns the table at a place.
func (r *reader) table(at int) *view {
	offset := int32(r.u32(at))
	v := at - int(offset)
	if r.err != nil || v < 0 || v > len(r.data)-4 {
		r.fail("byte %d: expected a table", at)
		return &view{r: r}
	}
	n, size := int(binary.LittleEndian.Uint16(r.data[v:])), int(binary.LittleEndian.Uint16(r.data[v+2:]))
	if n < 4 || v+n > len(r.data) || at+size > len(r.data) || size < 4 {
		r.fail("byte %d: expected a table", at)
		return &view{r: r}
	}
	return &view{r, at, r.data[v+4 : v+n], size}
}

// field returns where a field of so many bytes is; false where it has its default.
func (v *view) field(slot, width int) (int, bool) {
	if len(v.vtable) < 2*slot+2 {
		return 0, false
	}
	o := int(binary.LittleEndian.Uint16(v.vtable[2*slot:]))
	if o == 0 {
		return 0, false
	}
	if o+width > v.size {
		v.r.fail("byte %d: field %d is outside its table", v.at, slot)
		return 0, false
	}
	return v.at + o, true
}

func (v *view) byte(slot int) int {
	if at, ok := v.field(slot, 1); ok {
		return int(v.r.data[at])
	}
	return 0
}

func (v *view) int(slot, missing int) int {
	if at, ok := v.field(slot, 4); ok {
		return int(int32(v.r.u32(at)))
	}
	return missing
}

// has reports whether a field is there.
func (v *view) has(slot int) bool { _, ok := v.field(slot, 1); return ok }

// target returns where a field's offset points to, 0 for none.
func (v *view) target(slot int) int {
	at, ok := v.field(slot, 4)
	if !ok {
		return 0
	}
	to := v.r.u32(at)
	if to > len(v.r.data)-at {
		v.r.fail("byte %d: it points behind the end", at)
		return 0
	}
	return at + to
}

// table returns a table that a field points to; nil for none.
func (v *view) table(slot int) *view {
	if at := v.target(slot); at != 0 {
		return v.r.table(at)
	}
	return nil
}

// vector returns the elements of a vector as bytes, and how many there are.
func (v *view) vector(slot, width int) ([]byte, int) {
	at := v.target(slot)
	if at == 0 {
		return nil, 0
	}
	n := v.r.u32(at)
	if v.r.err != nil || n > (len(v.r.data)-at-4)/width {
		v.r.fail("byte %d: found a vector of %d elements, expected one inside the file", at, n)
		return nil, 0
	}
	return v.r.data[at+4:][:n*width], n
}

func (v *view) text(slot int) string { b, _ := v.vector(slot, 1); return string(b) }

func (v *view) ints(slot int) []int {
	b, n := v.vector(slot, 4)
	list := make([]int, n)
	for i := range list {
		list[i] = int(int32(binary.LittleEndian.Uint32(b[4*i:])))
	}
	return list
}

func (v *view) longs(slot int) []int64 {
	b, n := v.vector(slot, 8)
	list := make([]int64, n)
	for i := range list {
		list[i] = int64(binary.LittleEndian.Uint64(b[8*i:]))
	}
	return list
}

func (v *view) floats(slot int) []float32 {
	b, n := v.vector(slot, 4)
	list := make([]float32, n)
	for i := range list {
		list[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return list
}

// tables returns the tables of a vector.
func (v *view) tables(slot int) []*view {
	at := v.target(slot)
	_, n := v.vector(slot, 4)
	var list []*view
	for i := range n {
		if v.r.err != nil {
			return nil
		}
		from := at + 4 + 4*i
		to := v.r.u32(from)
		if to > len(v.r.data)-from {
			v.r.fail("byte %d: it points behind the end", from)
			return nil
		}
		list = append(list, v.r.table(from+to))
	}
	return list
}
