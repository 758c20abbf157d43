package pytorch

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Bounds on a pickle, far above what a full training checkpoint of the largest published
// network has (about 300 thousand opcodes and 15 thousand containers). They limit what a
// small hostile stream can allocate: an opcode of one byte can cost some hundred.
const (
	maxOpcodes    = 2_000_000
	maxContainers = 200_000
	maxMarks      = 1000
	maxLine       = 4096 // of an argument that is a line of text
	maxInteger    = 256  // bytes of a long integer
)

// argument is how an opcode's argument is encoded.
type argument uint8

const (
	argNone   argument = iota + 1
	argLine            // up to a newline
	argLines           // two lines
	argLen1            // one byte of length, then as many bytes
	argLen4            // four, little-endian
	argLen8            // eight
	argInt1            // LONG1
	argInt4            // LONG4
	argFrame           // eight bytes of length; the frame's content is opcodes
	argFixed           // argFixed+n: n bytes
	argRefuse = 255
)

type opcode struct {
	arg       argument
	container bool // creates an object that holds others
	mark      int8 // what it does to the number of open marks
}

// opcodes of pickle protocols 0 to 5 (Python's pickletools). Those that torch.save never
// writes and that create class instances or refer to the outside are refused.
var opcodes = [256]opcode{
	'(': {arg: argNone, mark: 1}, '.': {arg: argNone}, '0': {arg: argNone}, '1': {arg: argNone, mark: -1}, '2': {arg: argNone},
	'F': {arg: argLine}, 'I': {arg: argLine}, 'L': {arg: argLine}, 'S': {arg: argLine}, 'V': {arg: argLine},
	'J': {arg: argFixed + 4}, 'K': {arg: argFixed + 1}, 'M': {arg: argFixed + 2}, 'G': {arg: argFixed + 8},
	'N': {arg: argNone}, 'P': {arg: argRefuse}, 'Q': {arg: argNone}, 'R': {arg: argNone, container: true},
	'T': {arg: argLen4}, 'U': {arg: argLen1}, 'X': {arg: argLen4},
	'a': {arg: argNone}, 'b': {arg: argNone}, 'c': {arg: argLines}, 'd': {arg: argNone, container: true, mark: -1},
	'}': {arg: argNone, container: true}, 'e': {arg: argNone, mark: -1}, 'g': {arg: argLine}, 'h': {arg: argFixed + 1},
	'i': {arg: argRefuse}, 'j': {arg: argFixed + 4}, 'l': {arg: argNone, container: true, mark: -1},
	']': {arg: argNone, container: true}, 'o': {arg: argRefuse}, 'p': {arg: argLine}, 'q': {arg: argFixed + 1},
	'r': {arg: argFixed + 4}, 's': {arg: argNone}, 't': {arg: argNone, mark: -1}, ')': {arg: argNone}, 'u': {arg: argNone, mark: -1},

	0x80: {arg: argFixed + 1}, 0x81: {arg: argNone, container: true},
	0x82: {arg: argRefuse}, 0x83: {arg: argRefuse}, 0x84: {arg: argRefuse}, // extension registry
	0x85: {arg: argNone}, 0x86: {arg: argNone}, 0x87: {arg: argNone}, 0x88: {arg: argNone}, 0x89: {arg: argNone},
	0x8a: {arg: argInt1}, 0x8b: {arg: argInt4},

	'B': {arg: argLen4}, 'C': {arg: argLen1},

	0x8c: {arg: argLen1}, 0x8d: {arg: argLen8}, 0x8e: {arg: argLen8}, 0x8f: {arg: argNone, container: true},
	0x90: {arg: argNone, mark: -1}, 0x91: {arg: argNone, container: true, mark: -1}, 0x92: {arg: argNone, container: true},
	0x93: {arg: argNone}, 0x94: {arg: argNone}, 0x95: {arg: argFrame},

	0x96: {arg: argLen8}, 0x97: {arg: argRefuse}, 0x98: {arg: argRefuse}, // out-of-band buffers
}

// scan walks over a pickle's opcodes without executing them, up to STOP, and returns the
// number of bytes they take. gopickle's machine allocates what a stream's lengths say, so
// all of them are checked here first.
func scan(place string, p []byte) (int, error) {
	count, containers, marks := 0, 0, 0
	for at := 0; at < len(p); {
		bad := func(format string, args ...any) error {
			return malformed(fmt.Sprintf("byte %d of %s", at, place), format, args...)
		}
		op := opcodes[p[at]]
		rest := p[at+1:]
		need := 0
		length := func(bytes, most int) error {
			if len(rest) < bytes {
				return bad("found the end of the stream, expected a length of %d bytes", bytes)
			}
			var b [8]byte
			copy(b[:], rest[:bytes])
			n := binary.LittleEndian.Uint64(b[:])
			if n > uint64(len(rest)-bytes) {
				return bad("found a length of %d, expected at most the %d bytes that are left", n, len(rest)-bytes)
			}
			if n > uint64(most) {
				return bad("found a length of %d, expected at most %d", n, most)
			}
			need = bytes + int(n)
			return nil
		}
		line := func(from int) (int, error) {
			i := bytes.IndexByte(rest[from:min(len(rest), from+maxLine)], '\n')
			if i < 0 {
				return 0, bad("found no end of line, expected one within %d bytes", maxLine)
			}
			return from + i + 1, nil
		}
		var err error
		switch op.arg {
		case 0:
			return 0, bad("found opcode 0x%02x, expected one of pickle protocols 0 to 5", p[at])
		case argRefuse:
			return 0, bad("found opcode 0x%02x, expected one of those that torch.save writes", p[at])
		case argNone:
		case argLine:
			need, err = line(0)
		case argLines:
			if need, err = line(0); err == nil {
				need, err = line(need)
			}
		case argLen1:
			err = length(1, maxPickle)
		case argLen4:
			err = length(4, maxPickle)
		case argLen8:
			err = length(8, maxPickle)
		case argInt1:
			err = length(1, maxInteger)
		case argInt4:
			err = length(4, maxInteger)
		case argFrame:
			if err = length(8, maxPickle); err == nil {
				need = 8
			}
		default:
			need = int(op.arg - argFixed)
		}
		if err != nil {
			return 0, err
		}
		if need > len(rest) {
			return 0, bad("found the end of the stream, expected %d more bytes", need)
		}
		count++
		if op.container {
			containers++
		}
		marks = max(0, marks+int(op.mark))
		switch {
		case count > maxOpcodes:
			return 0, bad("found more than %d opcodes", maxOpcodes)
		case containers > maxContainers:
			return 0, bad("found more than %d containers", maxContainers)
		case marks > maxMarks:
			return 0, bad("found more than %d open marks", maxMarks)
		}
		stop := p[at] == '.'
		at += 1 + need
		if stop {
			return at, nil
		}
	}
	return 0, malformed(fmt.Sprintf("byte %d of %s", len(p), place), "found the end of the stream, expected the opcode STOP")
}
