// Package npy reads and writes NumPy's array files: .npy, one array, and .npz, a zip of
// them.
//
// The formats are those of NumPy's documentation (numpy.lib.format): versions 1.0, 2.0 and
// 3.0, little and big endian, C and Fortran order. The header is a Python dictionary,
// which is parsed as exactly the literal that NumPy writes and never evaluated. Arrays come
// back as [graph.Tensor] in C order and little endian, as views of the input where they
// are stored like that.
//
// # Types
//
// float16, float32, float64, int8, int32, int64, uint8 and bool are read and written. int16 becomes int32, uint16 int32, uint32 int64, without loss. Object
// arrays, which hold pickled Python objects, complex numbers, strings, dates, uint64 and
// structured types are refused with [ErrUnsupported].
//
// # Limits
//
// A header has at most 64 KiB, an array at most 64 axes and a name in an .npz at most 4 KiB.
// An array's size must be that of its data to the byte. The arrays of an .npz may take
// 64 MiB + 64 bytes for each byte of the archive in total when unpacked, and their
// CRC-32 must match. Nothing is allocated before these are checked.
//
// # Stability
//
// Within a major version, programs that use this package go on to compile and mean the same.
package npy
