// Package pytorch reads the weights out of files that PyTorch wrote, without Python and
// without running anything that a file says.
//
// [Open] maps a file and finds out what it is: the zip container that torch.save writes
// since PyTorch 1.6 or the folder that one was unpacked into, the stream that it wrote before,
// or safetensors. [File.StateDict]
// finds the state dict in it, whatever wraps it: the file itself, {'model': …},
// {'state_dict': …}, a full training checkpoint, a whole pickled nn.Module, each with or
// without what wrappers put in front of names ("module." of DistributedDataParallel).
//
// A [Tensor] is a view of the mapped file with a shape, an element type, an offset and
// strides, which were checked against the storage that it lies in. Its elements are
// converted only when they are asked for.
//
// # What a pickle may do
//
// A pickle is a program that may name any function of any Python module. This package
// executes its opcodes with gopickle's machine after [Decode] has checked every length in
// the stream against the bytes that are there. A name that is mentioned is data: it becomes
// an inert placeholder, and what Python would make of it an inert record. Only a name that is
// called is code: those of classes make records, those of a fixed list of constructors make
// plain data here (tensors, storages, sets, dates), and any other ends the decoding with an
// [*UnsafeError]. So does the mention of modules that run programs or load code.
//
// # Bounds
//
// Memory and time are proportional to the size of the file.
//
//   - A pickle may have 256 MiB, a million opcodes and one for each 4 bytes, 200 000 containers
//     and one for each 32 bytes, and 1000 open marks. Strings that it pushes again from its memo
//     may add up to 4 MiB: gopickle prints whole objects into its errors.
//   - Compressed zip records may grow to 8 times the file and 1 MiB, all together; torch.save
//     never compresses. Records must not overlap. A record's CRC-32, which PyTorch itself
//     does not look at, is checked before its first byte is given out.
//   - A safetensors header may have 100 MiB. Its names are unique, and its tensors follow each
//     other without holes, as the format demands.
//   - A tensor lies inside its storage, has 64 axes at most, and by strides of zero no more
//     than a million elements beyond the storage's. The tensors of a state dict have no more
//     than twice the bytes of their storages and 1 MiB.
//   - A name has 1024 bytes at most. Weights are looked for 6 containers deep, in modules 32
//     deep, through at most 4 million entries and 50 000 modules.
//
// Files of PyTorch on big-endian machines, TorchScript archives and the tar files of PyTorch
// before 0.1.10 are refused, with an error that says so.
//
// # Stability
//
// Within a major version, programs that use this package go on to compile. More kinds of
// checkpoints are read with minor versions.
package pytorch
