package pytorch

import (
	"errors"
	"fmt"
	"strings"

	"github.com/repvit-go/repvit/internal/printable"
)

// Errors that the package's functions wrap.
var (
	// ErrFormat: the file is not what it should be, or it is damaged.
	ErrFormat = errors.New("malformed checkpoint")
	// ErrUnsupported: the file is valid and holds something that this package does not read.
	ErrUnsupported = errors.New("unsupported checkpoint")
	// ErrUnsafe: a pickle names something that is not plain data. See UnsafeError.
	ErrUnsafe = errors.New("unsafe pickle")
	// ErrNoWeights: the file holds no state dict, or none where it was looked for.
	ErrNoWeights = errors.New("no state dict found")
	// ErrAmbiguous: the file holds several state dicts. See AmbiguousError.
	ErrAmbiguous = errors.New("several state dicts found")
)

// formatError says where in a file something else was found than expected. It wraps
// ErrFormat.
type formatError struct {
	place string // "record archive/data/5", "byte 120 of data.pkl"
	text  string // "found …, expected …"
}

func (e *formatError) Error() string { return e.place + ": " + e.text }
func (e *formatError) Unwrap() error { return ErrFormat }

func malformed(place, format string, args ...any) error {
	return &formatError{place, fmt.Sprintf(format, args...)}
}

// UnsafeError names what a pickle asked for and did not get. It wraps [ErrUnsafe].
type UnsafeError struct {
	Name   string // module and name, "posix.system"
	Called bool   // the pickle calls it; else it names what no checkpoint has a reason to name
}

// Error names the callable.
func (e *UnsafeError) Error() string {
	verb := "names"
	if e.Called {
		verb = "calls"
	}
	return fmt.Sprintf("the pickle %s %q, expected only tensors and plain data; it was not run", verb, e.Name)
}

// Unwrap returns ErrUnsafe.
func (e *UnsafeError) Unwrap() error { return ErrUnsafe }

// AmbiguousError lists the state dicts between which a caller must choose with
// [Options].Key. It wraps [ErrAmbiguous].
type AmbiguousError struct {
	Keys []string // in the file's order
}

// Error lists the keys.
func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("%v under %s, expected one; choose it by its key", ErrAmbiguous, quoteAll(e.Keys))
}

// Unwrap returns ErrAmbiguous.
func (e *AmbiguousError) Unwrap() error { return ErrAmbiguous }

// quoteAll lists names for an error message, which stays one line of bearable length.
func quoteAll(names []string) string {
	const most = 8
	q := make([]string, 0, most+1)
	for i, n := range names {
		if i == most {
			q = append(q, fmt.Sprintf("… (%d in all)", len(names)))
			break
		}
		q = append(q, fmt.Sprintf("%q", clip(n, 80)))
	}
	return strings.Join(q, ", ")
}

// clip shortens text that comes out of a file.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// oneLine shortens text that comes out of a file and stands in a message without quotes: a
// name, or a message of gopickle's, which prints objects. Control characters would break the
// line or speak to a terminal.
func oneLine(s string) string { return printable.Line(clip(s, 200)) }
