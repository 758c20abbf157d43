// Package pytorch reads the weights out of files that PyTorch wrote, without Python and
// without running anything that a file says.
//
// [Open] maps a file and finds out what it is: the zip container that torch.save writes
// since PyTorch 1.6, the stream that it wrote before, or safetensors. [File.StateDict]
// finds the state dict in it, whatever wraps it: the file itself, {'model': …},
// {'state_dict': …}, a full training checkpoint, a whole pickled nn.Module, each with or
// without the "module." that DistributedDataParallel puts in front of names.
//
// A [Tensor] is a view of the mapped file with a shape, an element type, an offset and
// strides, which were checked against the storage that it lies in. Its elements are
// converted only when they are asked for.
//
// # What a pickle may do
//
// A pickle is a program that may name any function of any Python module. This package
// executes its opcodes with gopickle's machine after [Decode] has checked every length in
// the stream against the bytes that are there, and resolves names from a fixed list only:
// ordered dictionaries, torch's tensor rebuilding and storage classes, NumPy scalars and
// the like, which are all plain data here. The classes of torch.nn, timm and the official
// code become inert records. Any other name ends the decoding with an [*UnsafeError].
//
// # Bounds
//
// Memory and time are proportional to the size of the file. A pickle may have at most
// 64 MiB, 2 million opcodes, 200 000 containers and 1000 open marks; a compressed zip
// record may hold at most 64 times its compressed size, and torch.save never compresses. A
// tensor has no more elements than its storage. The CRC-32 of a zip record, which PyTorch
// itself does not look at, is checked before the first element is read.
package pytorch
