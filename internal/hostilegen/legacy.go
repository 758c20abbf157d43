package main

import (
	"bytes"
	"encoding/binary"

	tt "github.com/repvit-go/repvit/internal/torchtest"
)

// viewed is a storage that is a view of another, as legacy streams have them.
func viewed(offset, size int) tt.PersistentID {
	return tt.LegacyStorage("FloatStorage", "0", 6, tt.Tuple{"1", offset, size})
}

func legacy() []attack {
	root, storage := small()
	whole := tt.Legacy(root, 4, storage)
	replace := func(old, new []byte) []byte {
		if bytes.Count(whole, old) != 1 {
			panic("not there once")
		}
		return bytes.Replace(whole, old, new, 1)
	}
	grown := append([]byte(nil), whole...)
	binary.LittleEndian.PutUint64(grown[len(grown)-32:], 1<<61)
	one := func(s any) any {
		return tt.Ordered{"a.weight", tt.Tensor(s, 0, []int{1}, []int{1})}
	}
	protocol := tt.Pickle(1001)
	return []attack{
		{"legacy_truncated.pth", whole[:len(whole)-1], `storage "0": found 23 bytes to the end of the file, expected 24`},
		{"legacy_no_storages.pth", whole[:len(whole)-32], `storage "0": found the end of the file at byte `},
		{"legacy_magic_only.pth", whole[:15], "byte 0 of the protocol's pickle: found the end of the stream"},
		{"legacy_protocol.pth", replace(protocol, tt.Pickle(1000)), "protocol 1000, expected 1001"},
		{"legacy_protocol_text.pth", replace(protocol, tt.Pickle("x")), `protocol "x", expected 1001`},
		{"legacy_protocol_system.pth", replace(protocol, tt.Pickle(tt.Call{Func: tt.Global("posix system"), Args: tt.Tuple{"true"}})), `names "posix.system"`},
		{"legacy_protocol_storage.pth", replace(protocol, tt.Pickle(tt.Storage("FloatStorage", "0", 6))), "the protocol's pickle: found a storage, expected plain data"},
		{"legacy_big_endian.pth", replace([]byte("little_endian\x88"), []byte("little_endian\x89")), "its byte order is big-endian"},
		{"legacy_size.pth", grown, `storage "0": found 2305843009213693952 elements at byte `},
		{"legacy_storage_huge.pth", tt.Legacy(one(tt.Storage("FloatStorage", "0", 1<<61)), 4, storage), `storage "0": found a size of 2305843009213693952 elements of float32`},
		{"legacy_storage_types.pth", tt.Legacy(tt.Ordered{"a", tt.Tensor(tt.Storage("FloatStorage", "0", 6), 0, []int{1}, []int{1}), "b", tt.Tensor(tt.Storage("IntStorage", "0", 6), 0, []int{1}, []int{1})}, 4, storage), `storage "0": found it as 6 elements of float32 and as 6 of int32`},
		{"legacy_key_missing.pth", tt.Legacy(root, 4), `found no key "0", which the object uses`},
		{"legacy_key_twice.pth", tt.Legacy(root, 4, storage, storage), `found key "0", expected each storage of the object once`},
		{"legacy_key_unknown.pth", tt.Legacy(root, 4, tt.Record{Name: "7", Data: storage.Data}), `found key "7", expected each storage of the object once`},
		{"legacy_keys_number.pth", replace(tt.Pickle(tt.List{"0"}), tt.Pickle(7)), "the storage keys' pickle: found no list of keys"},
		{"legacy_view_outside.pth", tt.Legacy(one(viewed(4, 3)), 4, storage), `storage "0": found a view of 3 elements from 4, expected one inside the storage of 6 elements`},
		{"legacy_view_negative.pth", tt.Legacy(one(viewed(-1, 3)), 4, storage), `storage "0": found a view of 3 elements from -1`},
		{"legacy_tensor_outside_view.pth", tt.Legacy(tt.Ordered{"a.weight", tt.Tensor(viewed(1, 2), 0, []int{3}, []int{1})}, 4, storage), `storage "0": found a tensor with shape [3], strides [1] and offset 0, expected one inside its storage of 2 elements`},
	}
}
