package graph

import (
	"errors"
	"math"
	"math/bits"
	"slices"
	"testing"
)

func TestNumel(t *testing.T) {
	for _, c := range []struct {
		shape []int
		want  int // −1 for an error
	}{
		{nil, 1}, {[]int{0}, 0}, {[]int{2, 3, 4}, 24}, {[]int{math.MaxInt}, math.MaxInt}, {[]int{0, math.MaxInt, math.MaxInt}, 0},
		{[]int{-1}, -1}, {[]int{2, -3}, -1}, {[]int{math.MaxInt, 2}, -1}, {[]int{1 << (bits.UintSize / 2), 1 << (bits.UintSize / 2)}, -1}, {[]int{1 << (bits.UintSize/2 - 1), 1 << (bits.UintSize/2 - 1), 2}, -1},
	} {
		n, err := Numel(c.shape)
		if c.want < 0 && !errors.Is(err, ErrShape) || c.want >= 0 && (err != nil || n != c.want) {
			t.Errorf("%v: %d, %v; want %d", c.shape, n, err, c.want)
		}
	}
}

func TestNewTensor(t *testing.T) {
	for _, c := range []struct {
		dtype DType
		shape []int
		bytes int
		ok    bool
	}{
		{Float32, []int{2, 3}, 24, true}, {Float16, []int{2, 3}, 12, true}, {Int64, nil, 8, true}, {Uint8, []int{0, 5}, 0, true},
		{Float32, []int{2, 3}, 23, false}, {Float32, []int{2, 3}, 28, false}, {0, nil, 0, false}, {99, nil, 1, false},
		{Float64, []int{math.MaxInt / 4}, 0, false}, {Float32, []int{-1}, 0, false}, {Float64, []int{1 << (bits.UintSize - 3)}, 0, false},
	} {
		x, err := NewTensor(c.dtype, c.shape, make([]byte, c.bytes))
		if c.ok != (err == nil) || !c.ok && !errors.Is(err, ErrShape) {
			t.Errorf("%v of %v in %d bytes: %v", c.shape, c.dtype, c.bytes, err)
		}
		if n, _ := Numel(c.shape); c.ok && x.Len() != n {
			t.Errorf("%v has %d elements", c.shape, x.Len())
		}
	}
}

func TestViews(t *testing.T) {
	v := []float32{1, -2.5, 3}
	x := Float32Tensor([]int{3}, v)
	if got := x.Float32s(); !slices.Equal(got, v) || &got[0] != &v[0] {
		t.Error("float32 elements are copied")
	}
	// Elements at odd addresses are read as well, by a copy.
	odd := append([]byte{0}, x.Bytes()...)[1:]
	if got := RawTensor(Float32, []int{3}, odd).Float32s(); !slices.Equal(got, v) {
		t.Errorf("%v", got)
	}
	if got := x.Float64s(); !slices.Equal(got, []float64{1, -2.5, 3}) {
		t.Errorf("%v", got)
	}
	if x.Int8s() != nil || x.Int64s() != nil || x.Uint8s() != nil || x.Int32s() != nil || (&Tensor{}).Float32s() != nil || (&Tensor{}).Len() != 0 {
		t.Error("elements of another type")
	}
	if got := Float32Tensor([]int{0}, nil).Float32s(); len(got) != 0 {
		t.Errorf("%v", got)
	}
	for _, c := range []struct {
		x    *Tensor
		want []float64
	}{
		{Float64Tensor([]int{2}, []float64{0.1, 1e300}), []float64{0.1, 1e300}},
		{Int8Tensor([]int{2}, []int8{-128, 127}), []float64{-128, 127}},
		{Uint8Tensor([]int{2}, []uint8{0, 255}), []float64{0, 255}},
		{Int32Tensor([]int{2}, []int32{math.MinInt32, math.MaxInt32}), []float64{math.MinInt32, math.MaxInt32}},
		{Int64Tensor([]int{2}, []int64{-1, 1 << 52}), []float64{-1, 1 << 52}},
		{Float32Tensor([]int{2}, []float32{0.5, 65504}).Half(), []float64{0.5, 65504}},
	} {
		if got := c.x.Float64s(); !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.x.DType, got, c.want)
		}
		for i, got := range c.x.Float32s() {
			if got != float32(c.want[i]) {
				t.Errorf("%v: %v, want %v", c.x.DType, got, c.want[i])
			}
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("values that do not fill the shape make a tensor")
		}
	}()
	Float32Tensor([]int{2, 2}, v)
}

func TestHalf(t *testing.T) {
	x := Float32Tensor([]int{6}, []float32{1e9, -1e9, 65520, float32(math.Inf(1)), 1e-9, float32(math.NaN())}).Half()
	got := x.Float32s()
	if !slices.Equal(got[:5], []float32{65504, -65504, 65504, 65504, 0}) || got[5] == got[5] || x.DType != Float16 {
		t.Errorf("%v", got)
	}
}

// TestFloat16 widens every half and rounds the results, their neighbours and the middles
// between, against rounding by the definition.
func TestFloat16(t *testing.T) {
	for h := range 1 << 16 {
		f := Float16To32(uint16(h))
		exp, frac := h>>10&31, h&1023
		want := math.Ldexp(float64(1024+frac), exp-25)
		switch {
		case exp == 31 && frac != 0:
			if f == f {
				t.Fatalf("%04x is %v, want NaN", h, f)
			}
			if back := Float16From32(f); back&0x7c00 != 0x7c00 || back&0x3ff == 0 || back>>15 != uint16(h)>>15 {
				t.Fatalf("%04x comes back as %04x, want NaN", h, back)
			}
			continue
		case exp == 31:
			want = math.Inf(1)
		case exp == 0:
			want = math.Ldexp(float64(frac), -24)
		}
		if h>>15 == 1 {
			want = -want
		}
		if float64(f) != want || math.Signbit(float64(f)) != math.Signbit(want) {
			t.Fatalf("%04x is %v, want %v", h, f, want)
		}
		if back := Float16From32(f); back != uint16(h) {
			t.Fatalf("%04x comes back as %04x", h, back)
		}
		if h>>15 == 1 || exp == 31 {
			continue
		}
		// Between h and the next half; beyond the largest, as if there were one more.
		next := math.Ldexp(float64(1024+frac+1), exp-25)
		if exp == 0 {
			next = math.Ldexp(float64(frac+1), -24)
		}
		middle := float32((want + next) / 2)
		even := uint16(h + h&1)
		for _, c := range []struct {
			f    float32
			want uint16
		}{
			{math.Nextafter32(middle, 0), uint16(h)}, {middle, even}, {math.Nextafter32(middle, 1e9), uint16(h + 1)},
		} {
			if got := Float16From32(c.f); got != c.want {
				t.Fatalf("%v rounds to %04x, want %04x", c.f, got, c.want)
			}
			if got := Float16From32(-c.f); got != c.want|0x8000 {
				t.Fatalf("%v rounds to %04x, want %04x", -c.f, got, c.want|0x8000)
			}
		}
	}
	if Float16From32(math.MaxFloat32) != 0x7c00 || Float16From32(float32(math.Inf(-1))) != 0xfc00 || Float16From32(math.SmallestNonzeroFloat32) != 0 {
		t.Error("the ends of float32")
	}
}

func TestSliceAndReshape(t *testing.T) {
	x := Int32Tensor([]int{3, 2}, []int32{1, 2, 3, 4, 5, 6})
	if y := x.Slice(1, 3); !slices.Equal(y.Shape, []int{2, 2}) || !slices.Equal(y.Int32s(), []int32{3, 4, 5, 6}) {
		t.Errorf("slice: %v of shape %v", y.Int32s(), y.Shape)
	}
	if y := x.Slice(3, 3); !slices.Equal(y.Shape, []int{0, 2}) || y.Len() != 0 {
		t.Errorf("empty slice: %v of shape %v", y.Int32s(), y.Shape)
	}
	if y := x.Reshape(6); !slices.Equal(y.Int32s(), x.Int32s()) {
		t.Errorf("reshaped: %v", y.Int32s())
	}
	for name, f := range map[string]func(){
		"reshape": func() { x.Reshape(7) },
		"slice":   func() { x.Slice(2, 4) },
		"raw":     func() { RawTensor(Float32, []int{1}, make([]byte, 3)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}
