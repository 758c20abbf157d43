package torchtest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
)

// Values that Pickle writes besides string, []byte, int, int64, float64, bool and nil.
type (
	// Dict is a dictionary: keys and values in turn.
	Dict []any
	// Ordered is a collections.OrderedDict: keys and values in turn.
	Ordered []any
	// List is a list.
	List []any
	// Tuple is a tuple.
	Tuple []any
	// Global is the name of a class or function, "module name".
	Global string
	// Call is a function called with arguments.
	Call struct {
		Func any
		Args Tuple
	}
	// Object is an instance of a class with its state, as object.__reduce_ex__ writes it.
	Object struct {
		Class any
		State any
	}
	// PersistentID is an object that lies outside the pickle.
	PersistentID struct{ ID any }
	// Raw is opcodes.
	Raw []byte
)

// Storage is the persistent id of a storage of numel elements ("FloatStorage").
func Storage(class, key string, numel int64) PersistentID {
	return PersistentID{Tuple{"storage", Global("torch " + class), key, "cpu", numel}}
}

// LegacyStorage is [Storage] as legacy streams have it, with the metadata of a view: nil, or
// Tuple{key, offset, size}.
func LegacyStorage(class, key string, numel int64, view any) PersistentID {
	return PersistentID{append(Storage(class, key, numel).ID.(Tuple), view)}
}

// Tensor is a tensor over a storage.
func Tensor[N int | int64](storage any, offset N, shape, strides []N) Call {
	return Call{Global("torch._utils _rebuild_tensor_v2"),
		Tuple{storage, offset, ints(shape), ints(strides), false, Call{Global("collections OrderedDict"), nil}}}
}

func ints[N int | int64](v []N) Tuple {
	t := make(Tuple, len(v))
	for i, n := range v {
		t[i] = n
	}
	return t
}

// Pickle returns the pickle of a value in protocol 2, without memo.
func Pickle(v any) []byte { return append(append([]byte{0x80, 2}, encode(v)...), '.') }

func encode(v any) []byte {
	var b bytes.Buffer
	all := func(list []any) {
		b.WriteByte('(')
		for _, e := range list {
			b.Write(encode(e))
		}
	}
	switch v := v.(type) {
	case nil:
		b.WriteByte('N')
	case bool:
		b.WriteByte(map[bool]byte{true: 0x88, false: 0x89}[v])
	case int:
		b.Write(encode(int64(v)))
	case int64:
		if v == int64(int32(v)) {
			b.WriteByte('J')
			b.Write(binary.LittleEndian.AppendUint32(nil, uint32(v)))
		} else {
			b.Write([]byte{0x8a, 8})
			b.Write(binary.LittleEndian.AppendUint64(nil, uint64(v)))
		}
	case float64:
		b.WriteByte('G')
		b.Write(binary.BigEndian.AppendUint64(nil, math.Float64bits(v)))
	case string:
		b.WriteByte('X')
		b.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(v))))
		b.WriteString(v)
	case []byte:
		b.WriteByte('B')
		b.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(v))))
		b.Write(v)
	case Raw:
		b.Write(v)
	case Global:
		module, name, _ := bytes.Cut([]byte(v), []byte(" "))
		fmt.Fprintf(&b, "c%s\n%s\n", module, name)
	case Tuple:
		all(v)
		b.WriteByte('t')
	case List:
		b.WriteByte(']')
		all(v)
		b.WriteByte('e')
	case Dict:
		b.WriteByte('}')
		all(v)
		b.WriteByte('u')
	case Ordered:
		b.Write(encode(Call{Global("collections OrderedDict"), nil}))
		all(v)
		b.WriteByte('u')
	case Call:
		b.Write(encode(v.Func))
		b.Write(encode(v.Args))
		b.WriteByte('R')
	case Object:
		b.Write(encode(v.Class))
		b.Write([]byte{')', 0x81})
		b.Write(encode(v.State))
		b.WriteByte('b')
	case PersistentID:
		b.Write(encode(v.ID))
		b.WriteByte('Q')
	default:
		panic(fmt.Sprintf("torchtest: no pickle for %T", v))
	}
	return b.Bytes()
}
