package pytorch

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/nlpodyssey/gopickle/types"
)

// isLegacy reports whether data begins like the stream: with a pickle of the number
// 0x1950a86a20f9469cfc6c in any protocol.
func isLegacy(data []byte) bool {
	if len(data) > 2 && data[0] == 0x80 {
		data = data[2:]
		if data[0] == 0x95 && len(data) > 9 {
			data = data[9:] // a frame
		}
	}
	return bytes.HasPrefix(data, []byte{0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'}) ||
		bytes.HasPrefix(data, []byte("L119547037146038801333356L\n."))
}

const legacyProtocol = 1001

// rawStorage is a storage that follows the pickles of a legacy stream.
type rawStorage struct {
	key   string
	dtype DType
	numel int
	data  []byte
}

func (s *rawStorage) place() string          { return fmt.Sprintf("storage %q", clip(s.key, 80)) }
func (s *rawStorage) size() int              { return s.numel * s.dtype.Size() }
func (s *rawStorage) bytes() ([]byte, error) { return s.data, nil }

// decodeLegacy decodes the stream that PyTorch wrote before 1.6: pickles of a magic
// number, the protocol, facts about the machine, the object, and the list of storage keys;
// then for each key the number of elements, eight bytes, and the elements.
func decodeLegacy(data []byte) (any, error) {
	at := 0
	next := func(place string, u *unpickler) (any, error) {
		u.place = place
		obj, n, err := u.run(data[at:])
		at += n
		return obj, err
	}
	if _, err := next("the magic number's pickle", &unpickler{}); err != nil {
		return nil, err
	}
	protocol, err := next("the protocol's pickle", &unpickler{})
	if err != nil {
		return nil, err
	}
	if p, ok := protocol.(int); !ok || p != legacyProtocol {
		return nil, fmt.Errorf("%w: protocol %s, expected %d", ErrUnsupported, show(protocol), legacyProtocol)
	}
	system, err := next("the system's pickle", &unpickler{})
	if err != nil {
		return nil, err
	}
	for k, v := range entries(system) {
		if k == any("little_endian") && v != any(true) {
			return nil, fmt.Errorf("%w: its byte order is big-endian", ErrUnsupported)
		}
	}
	storages := map[string]*rawStorage{}
	object, err := next("the object's pickle", &unpickler{storage: func(key string, d DType, numel int) (source, int, error) {
		s, ok := storages[key]
		if !ok {
			bytes, ok := times(numel, d.Size(), true)
			if !ok || bytes > len(data) {
				return nil, 0, malformed(fmt.Sprintf("storage %q", clip(key, 80)), "found a size of %d elements of %s, expected at most the %d bytes of the file", numel, d, len(data))
			}
			s = &rawStorage{key: key, dtype: d, numel: numel}
			storages[key] = s
		}
		if s.dtype != d || s.numel != numel {
			return nil, 0, malformed(s.place(), "found it as %d elements of %s and as %d of %s", s.numel, s.dtype, numel, d)
		}
		return s, numel, nil
	}})
	if err != nil {
		return nil, err
	}
	list, err := next("the storage keys' pickle", &unpickler{})
	if err != nil {
		return nil, err
	}
	keys, ok := list.(*types.List)
	if !ok {
		return nil, malformed("the storage keys' pickle", "found no list of keys")
	}
	for _, k := range *keys {
		key, _ := k.(string)
		s := storages[key]
		if s == nil || s.data != nil {
			return nil, malformed("the storage keys' pickle", "found key %s, expected each storage of the object once", show(k))
		}
		if len(data)-at < 8 {
			return nil, malformed(s.place(), "found the end of the file at byte %d, expected its size", len(data))
		}
		n := binary.LittleEndian.Uint64(data[at:])
		at += 8
		if n != uint64(s.numel) {
			return nil, malformed(s.place(), "found %d elements at byte %d, expected %d", n, at-8, s.numel)
		}
		bytes := s.numel * s.dtype.Size()
		if bytes > len(data)-at {
			return nil, malformed(s.place(), "found %d bytes to the end of the file, expected %d", len(data)-at, bytes)
		}
		s.data = data[at : at+bytes : at+bytes]
		at += bytes
		if s.data == nil {
			s.data = []byte{}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(storages)) {
		if storages[key].data == nil {
			return nil, malformed("the storage keys' pickle", "found no key %q, which the object uses", clip(key, 80))
		}
	}
	return object, nil
}
