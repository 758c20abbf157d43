package main

import (
	"math"

	tt "github.com/repvit-go/repvit/internal/torchtest"
)

// view returns a checkpoint with one tensor over a storage of six elements.
func view(offset int64, shape, strides []int64) []byte {
	_, storage := small()
	return tt.Checkpoint(tt.Ordered{"a.weight", tt.Tensor(tt.Storage("FloatStorage", "0", 6), offset, shape, strides)}, storage)
}

// rebuilt returns a checkpoint with a tensor rebuilt from the arguments given.
func rebuilt(args ...any) []byte {
	_, storage := small()
	return tt.Checkpoint(tt.Ordered{"a.weight", tt.Call{Func: tt.Global("torch._utils _rebuild_tensor_v2"), Args: args}}, storage)
}

func ones(n int) []int64 {
	v := make([]int64, n)
	for i := range v {
		v[i] = 1
	}
	return v
}

func tensors() []attack {
	const outside = "expected one inside its storage of 6 elements"
	const notRebuilt = "record archive/data.pkl: a tensor is not rebuilt from (storage, offset, size, stride, …)"
	s := tt.Storage("FloatStorage", "0", 6)
	long := make(tt.Tuple, 3000)
	for i := range long {
		long[i] = 1
	}
	var shared tt.Ordered
	block := tt.Record{Name: "0", Data: make([]byte, 16<<10)}
	for i := range 100 {
		shared = append(shared, "a"+string(rune('0'+i/10))+string(rune('0'+i%10))+".weight",
			tt.Tensor(tt.Storage("FloatStorage", "0", 4096), 0, []int{4096}, []int{1}))
	}
	return []attack{
		{"tensor_outside.pth", view(0, []int64{200, 3}, []int64{3, 1}), "record archive/data/0: found a tensor with shape [200 3], strides [3 1] and offset 0, " + outside},
		{"tensor_last_outside.pth", view(1, []int64{2, 3}, []int64{3, 1}), outside},
		{"tensor_stride_outside.pth", view(0, []int64{2, 3}, []int64{4, 1}), outside},
		{"tensor_offset_outside.pth", view(6, []int64{1}, []int64{1}), outside},
		{"tensor_offset_huge.pth", view(math.MaxInt64/2, []int64{2}, []int64{math.MaxInt64 / 2}), outside},
		{"tensor_offset_negative.pth", view(-1, []int64{2}, []int64{1}), outside},
		{"tensor_size_negative.pth", view(0, []int64{-2, -3}, []int64{3, 1}), "expected no negative numbers"},
		{"tensor_stride_negative.pth", view(5, []int64{6}, []int64{-1}), "expected no negative numbers"},
		{"tensor_overflow.pth", view(0, []int64{1 << 32, 1 << 32}, []int64{0, 0}), outside},
		{"tensor_stride_overflow.pth", view(0, []int64{3, 3}, []int64{1 << 61, 1 << 61}), outside},
		{"tensor_expanded.pth", view(0, []int64{1 << 40}, []int64{0}), outside},
		{"tensor_strides_missing.pth", view(0, []int64{2, 3}, []int64{1}), "expected as many strides as axes"},
		{"tensor_axes.pth", view(0, ones(65), ones(65)), notRebuilt},
		{"tensor_long_shape.pth", rebuilt(s, 0, long, long), notRebuilt},
		{"tensor_size_text.pth", rebuilt(s, 0, tt.Tuple{"2", 3}, tt.Tuple{3, 1}), notRebuilt},
		{"tensor_no_storage.pth", rebuilt("0", 0, tt.Tuple{2, 3}, tt.Tuple{3, 1}), notRebuilt},
		{"tensor_no_arguments.pth", rebuilt(), notRebuilt},
		{"tensor_parameter_of_text.pth", tt.Checkpoint(tt.Dict{"a.weight", tt.Call{Func: tt.Global("torch._utils _rebuild_parameter"), Args: tt.Tuple{"x", true}}}), "a parameter is not rebuilt from a tensor"},
		{"tensor_storage_negative.pth", rebuilt(tt.Storage("FloatStorage", "0", -6), 0, tt.Tuple{1}, tt.Tuple{1}), "found a persistent id that is not"},
		{"tensor_storage_huge.pth", rebuilt(tt.Storage("FloatStorage", "0", 1<<62), 0, tt.Tuple{1}, tt.Tuple{1}), "record archive/data/0: found 24 bytes, expected 4611686018427387904 elements of float32"},
		{"tensor_storage_type.pth", rebuilt(tt.Storage("DoubleStorage", "0", 6), 0, tt.Tuple{1}, tt.Tuple{1}), "record archive/data/0: found 24 bytes, expected 6 elements of float64"},
		{"tensor_storage_unknown.pth", rebuilt(tt.Storage("ComplexFloatStorage", "0", 3), 0, tt.Tuple{1}, tt.Tuple{1}), "it is of type complex64; convert it to float32"},
		{"tensor_storage_path.pth", rebuilt(tt.Storage("FloatStorage", "../../secret", 6), 0, tt.Tuple{1}, tt.Tuple{1}), "record archive/data/../../secret: missing"},
		{"tensor_storage_shared.pth", deflate(tt.Checkpoint(shared, block)), `key "a`},
	}
}
