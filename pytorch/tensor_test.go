package pytorch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/graph"
	tt "github.com/repvit-go/repvit/internal/torchtest"
)

func TestDTypes(t *testing.T) {
	le := binary.LittleEndian
	for _, c := range []struct {
		class string
		dtype DType
		data  []byte
		want  []float64
	}{
		{"FloatStorage", Float32, tt.Float32s(1.5, -2), []float64{1.5, -2}},
		{"DoubleStorage", Float64, le.AppendUint64(le.AppendUint64(nil, math.Float64bits(0.1)), math.Float64bits(-1e300)), []float64{0.1, -1e300}},
		{"HalfStorage", Float16, []byte{0x00, 0x3c, 0x01, 0x80}, []float64{1, -0x1p-24}},
		{"BFloat16Storage", BFloat16, []byte{0x80, 0x3f, 0x49, 0xc0}, []float64{1, -3.140625}},
		{"LongStorage", Int64, le.AppendUint64(le.AppendUint64(nil, 1<<40), 1<<64-1), []float64{1 << 40, -1}},
		{"IntStorage", Int32, []byte{1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}, []float64{1, -1}},
		{"ShortStorage", Int16, []byte{0x2c, 1, 0xff, 0x7f}, []float64{300, 32767}},
		{"CharStorage", Int8, []byte{1, 0x80}, []float64{1, -128}},
		{"ByteStorage", Uint8, []byte{1, 0x80}, []float64{1, 128}},
		{"BoolStorage", Bool, []byte{1, 0}, []float64{1, 0}},
	} {
		size := len(c.data) / 2
		if c.dtype.Size() != size {
			t.Errorf("%s has %d bytes, want %d", c.dtype, c.dtype.Size(), size)
		}
		root := tt.Ordered{"a.weight", tt.Tensor(tt.Storage(c.class, "0", 2), 0, []int{2}, []int{1})}
		storage := tt.Record{Name: "0", Data: c.data}
		for _, data := range [][]byte{tt.Checkpoint(root, storage), tt.Legacy(root, size, storage)} {
			f := decode(t, data)
			s := dict(t, f, Options{})
			x, _ := s.Get("a.weight")
			if x.DType != c.dtype {
				t.Errorf("%s in a %s file: type %s", c.class, f.Format, x.DType)
			}
			if got := values(t, s, "a.weight"); !slices.Equal(got, c.want) {
				t.Errorf("%s in a %s file: %v, want %v", c.class, f.Format, got, c.want)
			}
			narrow, err := x.Float32s()
			if err != nil || narrow[0] != float32(c.want[0]) || narrow[1] != float32(c.want[1]) {
				t.Errorf("%s in a %s file: %v, %v", c.class, f.Format, narrow, err)
			}
		}
	}
	if DType("complex1").Size() != 0 {
		t.Error("an unknown type has a size")
	}
}

// TestFloat16 compares all halves with package graph's conversion.
func TestFloat16(t *testing.T) {
	for h := range 1 << 16 {
		got, want := float64(float16(uint16(h))), float64(graph.Float16To32(uint16(h)))
		if got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Fatalf("%04x is %v, want %v", h, got, want)
		}
		if math.Signbit(got) != math.Signbit(want) && !math.IsNaN(got) {
			t.Fatalf("%04x is %v, want %v", h, got, want)
		}
	}
}

// TestViews reads views of one storage that holds 0, 1, … 23, as tensor indexing, transpose,
// permute, expand and channels_last make them.
func TestViews(t *testing.T) {
	var ramp []float32
	for i := range 24 {
		ramp = append(ramp, float32(i))
	}
	storage := tt.Record{Name: "0", Data: tt.Float32s(ramp...)}
	views := []struct {
		offset         int
		shape, strides []int
		want           []float64
	}{
		{0, []int{24}, []int{1}, nil},
		{0, []int{2, 3, 4}, []int{12, 4, 1}, nil},
		{7, nil, nil, []float64{7}},
		{23, []int{1}, []int{1}, []float64{23}},
		{23, []int{1, 1}, []int{1 << 29, 7}, []float64{23}},
		{0, []int{0, 4}, []int{4, 1}, []float64{}},
		{24, []int{0}, []int{1}, []float64{}},
		{5, []int{3}, []int{1}, []float64{5, 6, 7}},
		{1, []int{4}, []int{5}, []float64{1, 6, 11, 16}},
		{0, []int{3, 2}, []int{1, 3}, []float64{0, 3, 1, 4, 2, 5}},
		{0, []int{4, 2, 3}, []int{1, 12, 4}, []float64{0, 4, 8, 12, 16, 20, 1, 5, 9, 13, 17, 21, 2, 6, 10, 14, 18, 22, 3, 7, 11, 15, 19, 23}},
		{13, []int{2, 2}, []int{4, 2}, []float64{13, 15, 17, 19}},
		{2, []int{2, 3}, []int{0, 1}, []float64{2, 3, 4, 2, 3, 4}},
		{2, []int{30}, []int{0}, slices.Repeat([]float64{2}, 30)},
		{0, []int{1, 3, 2, 2}, []int{12, 1, 6, 3}, []float64{0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11}}, // channels_last
	}
	var root tt.Ordered
	for i, v := range views {
		root = append(root, fmt.Sprintf("v%d.weight", i), tt.Tensor(tt.Storage("FloatStorage", "0", 24), v.offset, v.shape, v.strides))
	}
	for _, data := range [][]byte{tt.Checkpoint(root, storage), tt.Legacy(root, 4, storage)} {
		s := dict(t, decode(t, data), Options{})
		for i, v := range views {
			key := fmt.Sprintf("v%d.weight", i)
			want := v.want
			if want == nil {
				for _, x := range ramp {
					want = append(want, float64(x))
				}
			}
			if got := values(t, s, key); !slices.Equal(got, want) {
				t.Errorf("%v strides %v offset %d: %v, want %v", v.shape, v.strides, v.offset, got, want)
			}
			x, _ := s.Get(key)
			narrow, err := x.Float32s()
			if err != nil || len(narrow) != len(want) {
				t.Fatalf("%s: %v, %v", key, narrow, err)
			}
			for j := range narrow {
				if float64(narrow[j]) != want[j] {
					t.Errorf("%s: element %d is %v, want %v", key, j, narrow[j], want[j])
				}
			}
		}
	}
}

// TestContiguousIsAView checks that aligned float32 elements are not copied, and that
// elements at odd addresses are read all the same.
func TestContiguousIsAView(t *testing.T) {
	data := tt.CheckpointOf("", []tt.Named{{Name: "a.weight", Shape: []int{2}, Values: []float32{1, 2}}})
	for shift := range 4 {
		moved := append(make([]byte, shift), data...)[shift:]
		x, _ := dict(t, decode(t, moved), Options{}).Get("a.weight")
		v, err := x.Float32s()
		if err != nil || !slices.Equal(v, []float32{1, 2}) {
			t.Errorf("moved by %d: %v, %v", shift, v, err)
		}
		if shift == 0 {
			raw, _ := x.data.bytes()
			raw[3] ^= 0x80
			if v[0] != -1 {
				t.Error("elements were copied")
			}
			raw[3] ^= 0x80
		}
	}
}

// TestLegacyViews reads storages that are views of another one.
func TestLegacyViews(t *testing.T) {
	view := func(offset, size int) any {
		return tt.LegacyStorage("FloatStorage", "0", 6, tt.Tuple{"1", offset, size})
	}
	none := tt.LegacyStorage("FloatStorage", "0", 6, nil)
	s := dict(t, decode(t, tt.Legacy(tt.Ordered{
		"a.weight", tt.Tensor(view(2, 4), 1, []int{3}, []int{1}),
		"b.weight", tt.Tensor(none, 0, []int{2}, []int{5}),
	}, 4, tt.Record{Name: "0", Data: tt.Float32s(0, 1, 2, 3, 4, 5)})), Options{})
	if got := values(t, s, "a.weight"); !slices.Equal(got, []float64{3, 4, 5}) {
		t.Errorf("a view: %v", got)
	}
	if got := values(t, s, "b.weight"); !slices.Equal(got, []float64{0, 5}) {
		t.Errorf("no view: %v", got)
	}
}

func TestGeometry(t *testing.T) {
	src := &rawStorage{key: "k"}
	for _, c := range []struct {
		numel, offset  int
		shape, strides []int
		want           string // part of the error, "" for none
	}{
		{6, 0, []int{2, 3}, []int{3, 1}, ""},
		{6, 5, nil, nil, ""},
		{0, 0, []int{0}, []int{1}, ""},
		{0, 9, []int{3, 0}, []int{1, 1}, ""},
		{6, 0, []int{maxExpanded}, []int{0}, ""},
		{6, 6, nil, nil, "expected one inside its storage of 6 elements"},
		{6, 1, []int{2, 3}, []int{3, 1}, "inside its storage"},
		{6, -1, []int{2}, []int{1}, "inside its storage"},
		{6, 0, []int{maxExpanded + 1}, []int{0}, "inside its storage"},
		{6, math.MaxInt, []int{2}, []int{1}, "inside its storage"},
		{6, 1, []int{2}, []int{math.MaxInt}, "inside its storage"},
		{6, 0, []int{math.MaxInt, math.MaxInt}, []int{0, 0}, "inside its storage"},
		{6, 0, []int{-1}, []int{1}, "no negative numbers"},
		{6, 0, []int{1}, []int{-1}, "no negative numbers"},
		{6, 0, []int{0, -1}, []int{1, 1}, "no negative numbers"},
		{6, 0, []int{1}, nil, "as many strides as axes"},
		{6, 0, make([]int, 65), make([]int, 65), "65 axes, expected 64 at most"},
	} {
		x, err := newTensor(Float32, src, c.numel, c.offset, c.shape, c.strides)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%v %v %d of %d: %v", c.shape, c.strides, c.offset, c.numel, err)
		case c.want != "" && (!errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%v %v %d of %d: %v, want %q", c.shape, c.strides, c.offset, c.numel, err, c.want)
		case err == nil && x.Len() < 0:
			t.Errorf("%v has %d elements", c.shape, x.Len())
		}
	}
}

func BenchmarkHalf(b *testing.B) {
	x, err := newTensor(Float16, &rawStorage{data: make([]byte, 2<<20), numel: 1 << 20, dtype: Float16}, 1<<20, 0, []int{1 << 20}, []int{1})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(2 << 20)
	for b.Loop() {
		if _, err := x.Float32s(); err != nil {
			b.Fatal(err)
		}
	}
}
