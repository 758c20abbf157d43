package pytorch

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"strconv"
)

// Bounds on a pickle. A full training checkpoint of the largest published network has about
// 300 thousand opcodes and 40 thousand containers and marks; training logs beside it can
// have millions of numbers. An opcode of one byte can cost some hundred bytes of memory, so
// beyond a base that costs little, the counts are shares of the stream's length.
const (
	maxPickle     = 256 << 20
	maxMarks      = 1000
	maxLine       = 4096    // of an argument that is a line of text
	maxInteger    = 256     // bytes of a long integer
	maxRepeated   = 4 << 20 // bytes of the strings that GET and DUP repeat
	baseOpcodes   = 1_000_000
	baseContainer = 200_000 // marks included: each allocates a stack
)

// opcodesFor and containersFor return how many a stream of n bytes may have. A point of a
// training curve takes four opcodes, one of them a container, and 20 bytes.
func opcodesFor(n int) int    { return baseOpcodes + n/4 }
func containersFor(n int) int { return baseContainer + n/32 }

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

// effect is what an opcode does to the top of the stack as far as strings are concerned.
type effect uint8

const (
	leaves  effect = iota // something that is not a string
	pushes                // a string as long as the argument
	keeps                 // what was there
	stores                // it stays there and the memo has it too
	loads                 // what the memo has
	repeats               // it stands there twice
	reveals               // what lay under it
)

type opcode struct {
	arg       argument
	container bool // creates an object that holds others
	mark      int8 // what it does to the number of open marks
	top       effect
}

// opcodes of pickle protocols 0 to 5 (Python's pickletools). Those that torch.save never
// writes and that create class instances or refer to the outside are refused.
var opcodes = [256]opcode{
	'(': {arg: argNone, container: true, mark: 1}, '.': {arg: argNone}, '0': {arg: argNone, top: reveals},
	'1': {arg: argNone, mark: -1, top: reveals}, '2': {arg: argNone, top: repeats},
	'F': {arg: argLine}, 'I': {arg: argLine}, 'L': {arg: argLine}, 'S': {arg: argLine, top: pushes}, 'V': {arg: argLine, top: pushes},
	'J': {arg: argFixed + 4}, 'K': {arg: argFixed + 1}, 'M': {arg: argFixed + 2}, 'G': {arg: argFixed + 8},
	'N': {arg: argNone}, 'P': {arg: argRefuse}, 'Q': {arg: argNone}, 'R': {arg: argNone, container: true},
	'T': {arg: argLen4, top: pushes}, 'U': {arg: argLen1, top: pushes}, 'X': {arg: argLen4, top: pushes},
	'a': {arg: argNone}, 'b': {arg: argNone, top: reveals}, 'c': {arg: argLines}, 'd': {arg: argNone, container: true, mark: -1},
	'}': {arg: argNone, container: true}, 'e': {arg: argNone, mark: -1}, 'g': {arg: argLine, top: loads}, 'h': {arg: argFixed + 1, top: loads},
	'i': {arg: argRefuse}, 'j': {arg: argFixed + 4, top: loads}, 'l': {arg: argNone, container: true, mark: -1},
	']': {arg: argNone, container: true}, 'o': {arg: argRefuse}, 'p': {arg: argLine, top: stores}, 'q': {arg: argFixed + 1, top: stores},
	'r': {arg: argFixed + 4, top: stores}, 's': {arg: argNone}, 't': {arg: argNone, mark: -1}, ')': {arg: argNone}, 'u': {arg: argNone, mark: -1},

	0x80: {arg: argFixed + 1, top: keeps}, 0x81: {arg: argNone, container: true},
	0x82: {arg: argRefuse}, 0x83: {arg: argRefuse}, 0x84: {arg: argRefuse}, // extension registry
	0x85: {arg: argNone}, 0x86: {arg: argNone}, 0x87: {arg: argNone}, 0x88: {arg: argNone}, 0x89: {arg: argNone},
	0x8a: {arg: argInt1}, 0x8b: {arg: argInt4},

	'B': {arg: argLen4, top: pushes}, 'C': {arg: argLen1, top: pushes},

	0x8c: {arg: argLen1, top: pushes}, 0x8d: {arg: argLen8, top: pushes}, 0x8e: {arg: argLen8, top: pushes}, 0x8f: {arg: argNone, container: true},
	0x90: {arg: argNone, mark: -1}, 0x91: {arg: argNone, container: true, mark: -1}, 0x92: {arg: argNone, container: true},
	0x93: {arg: argNone}, 0x94: {arg: argNone, top: stores}, 0x95: {arg: argFrame, top: keeps},

	0x96: {arg: argLen8}, 0x97: {arg: argRefuse}, 0x98: {arg: argRefuse}, // out-of-band buffers
}

// scan walks over a pickle's opcodes without executing them, up to STOP, and returns the
// number of bytes they take. gopickle's machine allocates what a stream's lengths say and
// prints whole objects into its errors, so all lengths, and how often a string is repeated,
// are checked here first.
func scan(place string, p []byte) (int, error) {
	s := scanner{place: place, p: p}
	s.memo.list = make([]int32, 0, len(p)/bytesPerMemo)
	for s.at < len(p) {
		op := p[s.at]
		n, err := s.argument(op)
		if err == nil {
			err = s.count(op, p[s.at+1:s.at+1+n])
		}
		if err != nil {
			return 0, err
		}
		s.at += 1 + n
		if op == '.' {
			return s.at, nil
		}
	}
	return 0, s.bad("found the end of the stream, expected the opcode STOP")
}

type scanner struct {
	place string
	p     []byte
	at    int // of the current opcode

	opcodes, containers, marks int

	top      int  // length of the string on top of the stack; 0 for other objects
	longest  int  // string so far
	memo     memo // lengths of the strings in the memo
	repeated int  // bytes of the strings that were pushed again
}

func (s *scanner) bad(format string, args ...any) error {
	return malformed(fmt.Sprintf("byte %d of %s", s.at, s.place), format, args...)
}

// argument returns the length of the argument of the current opcode, its own length field
// included, which lies inside the stream.
func (s *scanner) argument(op byte) (int, error) {
	rest := s.p[s.at+1:]
	switch arg := opcodes[op].arg; arg {
	case 0:
		return 0, s.bad("found opcode 0x%02x, expected one of pickle protocols 0 to 5", op)
	case argRefuse:
		return 0, s.bad("found opcode 0x%02x, expected one of those that torch.save writes", op)
	case argNone:
		return 0, nil
	case argLine:
		return s.line(rest, 0)
	case argLines:
		n, err := s.line(rest, 0)
		if err != nil {
			return 0, err
		}
		return s.line(rest, n)
	case argLen1:
		return s.length(rest, 1, maxPickle)
	case argLen4:
		return s.length(rest, 4, maxPickle)
	case argLen8:
		return s.length(rest, 8, maxPickle)
	case argInt1:
		return s.length(rest, 1, maxInteger)
	case argInt4:
		return s.length(rest, 4, maxInteger)
	case argFrame:
		_, err := s.length(rest, 8, maxPickle)
		return 8, err
	default:
		n := int(arg - argFixed)
		if n > len(rest) {
			return 0, s.bad("found the end of the stream, expected %d more bytes", n)
		}
		return n, nil
	}
}

// length reads a length field of the size given.
func (s *scanner) length(rest []byte, size, most int) (int, error) {
	if len(rest) < size {
		return 0, s.bad("found the end of the stream, expected a length of %d bytes", size)
	}
	var b [8]byte
	copy(b[:], rest[:size])
	n := binary.LittleEndian.Uint64(b[:])
	if n > uint64(len(rest)-size) {
		return 0, s.bad("found a length of %d, expected at most the %d bytes that are left", n, len(rest)-size)
	}
	if n > uint64(most) {
		return 0, s.bad("found a length of %d, expected at most %d", n, most)
	}
	return size + int(n), nil
}

// line returns where the line that begins at from ends.
func (s *scanner) line(rest []byte, from int) (int, error) {
	i := bytes.IndexByte(rest[from:min(len(rest), from+maxLine)], '\n')
	if i < 0 {
		return 0, s.bad("found no end of line, expected one within %d bytes", maxLine)
	}
	return from + i + 1, nil
}

// count adds the current opcode to what is bounded.
func (s *scanner) count(op byte, arg []byte) error {
	o := opcodes[op]
	s.opcodes++
	// The pickle machine cuts an integer of up to 64 bits to an int.
	if bits.UintSize == 32 && (o.arg == argInt1 && 1+4 < len(arg) && len(arg) <= 1+8 || o.arg == argInt4 && 4+4 < len(arg) && len(arg) <= 4+8 || (op == 'I' || op == 'L') && len(arg) > len("-999999999\n")) {
		return fmt.Errorf("%w: byte %d of %s: an integer of more than 32 bits, expected a program of 64 bits to read it", ErrUnsupported, s.at, s.place)
	}
	if o.container {
		s.containers++
	}
	s.marks = max(0, s.marks+int(o.mark))
	switch o.top {
	case leaves:
		s.top = 0
	case pushes:
		s.top = len(arg)
		s.longest = max(s.longest, s.top)
	case stores:
		s.memo.set(s.index(op, arg), s.top)
	case loads:
		s.top = s.memo.get(s.index(op, arg))
		s.repeated += s.top
	case repeats:
		s.repeated += s.top
	case reveals:
		s.top = s.longest // it might be
	}
	switch {
	case s.opcodes > opcodesFor(len(s.p)):
		return s.bad("found more than %d opcodes", opcodesFor(len(s.p)))
	case s.containers > containersFor(len(s.p)):
		return s.bad("found more than %d containers", containersFor(len(s.p)))
	case s.marks > maxMarks:
		return s.bad("found more than %d open marks", maxMarks)
	case s.repeated > min(maxRepeated, 1<<20+2*len(s.p)):
		return s.bad("found strings repeated to more than %d bytes", s.repeated)
	}
	return nil
}

// index returns the place in the memo that an opcode names.
func (s *scanner) index(op byte, arg []byte) uint64 {
	switch op {
	case 0x94: // MEMOIZE takes the next
		return uint64(s.memo.count())
	case 'p', 'g':
		n, _ := strconv.Atoi(string(bytes.TrimSuffix(arg, []byte("\n")))) // the machine refuses what is no number
		return uint64(n)
	}
	var b [8]byte
	copy(b[:], arg)
	return binary.LittleEndian.Uint64(b[:])
}

// bytesPerMemo is how many bytes of a state dict's pickle go with each number, at least.
const bytesPerMemo = 16

// memo is a pickle's numbered memory. Streams number from zero on, so nearly all is a list.
type memo struct {
	list []int32
	rest map[uint64]int // under numbers that left a gap
}

func (m *memo) set(i uint64, v int) {
	switch {
	case i < uint64(len(m.list)):
		m.list[i] = int32(v)
	case i == uint64(len(m.list)) && m.rest == nil:
		m.list = append(m.list, int32(v))
	default:
		if m.rest == nil {
			m.rest = map[uint64]int{}
		}
		m.rest[i] = v
	}
}

func (m *memo) get(i uint64) int {
	if i < uint64(len(m.list)) {
		return int(m.list[i])
	}
	return m.rest[i]
}

func (m *memo) count() int { return len(m.list) + len(m.rest) }
