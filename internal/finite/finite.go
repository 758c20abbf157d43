// Package finite looks for numbers that are not: NaN and the infinities.
package finite

import (
	"math"
	"unsafe"
)

// block is how many elements are looked at before an early end.
const block = 1 << 10

// First returns the index of the first NaN or infinity, or −1.
func First(v []float32) int {
	for from := 0; from < len(v); from += block {
		part := v[from:min(from+block, len(v))]
		if all(part) {
			continue
		}
		for i, x := range part {
			if x-x != 0 {
				return from + i
			}
		}
	}
	return -1
}

// all reports whether all elements are finite. Adding one to an exponent of all ones carries
// into the sign's place, which was cleared before; it does so for two elements at a time,
// because nothing carries any further.
func all(v []float32) bool {
	const magnitude, one = 1<<31 - 1, 1 << 23
	var carry uint64
	if len(v) > 0 && uintptr(unsafe.Pointer(&v[0]))%8 != 0 {
		carry = uint64(math.Float32bits(v[0])&magnitude + one)
		v = v[1:]
	}
	pairs := unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(v))), len(v)/2)
	for ; len(pairs) >= 4; pairs = pairs[4:] {
		carry |= pairs[0]&(magnitude<<32|magnitude) + (one<<32 | one)
		carry |= pairs[1]&(magnitude<<32|magnitude) + (one<<32 | one)
		carry |= pairs[2]&(magnitude<<32|magnitude) + (one<<32 | one)
		carry |= pairs[3]&(magnitude<<32|magnitude) + (one<<32 | one)
	}
	for _, p := range pairs {
		carry |= p&(magnitude<<32|magnitude) + (one<<32 | one)
	}
	if len(v)%2 != 0 {
		carry |= uint64(math.Float32bits(v[len(v)-1])&magnitude + one)
	}
	return carry&(1<<63|1<<31) == 0
}
