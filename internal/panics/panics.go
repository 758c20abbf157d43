// Package panics turns panics into errors of one line. All packages may use it.
package panics

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
)

// Catch, deferred, turns a panic into *err, which wraps kind and says what happened where.
func Catch(err *error, kind error) {
	if r := recover(); r != nil {
		*err = Error(kind, r)
	}
}

// Error returns an error for what recover returned, to be called where it was. It wraps
// kind, says what happened in which line of code, and is one line.
func Error(kind error, r any) error {
	text := strings.Join(strings.Fields(fmt.Sprint(r)), " ")
	return fmt.Errorf("%w: %s (%s)", kind, text, place())
}

// place returns file and line of the code that panicked: below the runtime's own frames.
func place() string {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(0, pcs[:])])
	panicked := false
	for {
		f, more := frames.Next()
		inRuntime := strings.HasPrefix(f.Function, "runtime.")
		if panicked && !inRuntime {
			return fmt.Sprintf("%s:%d", filepath.Base(f.File), f.Line)
		}
		panicked = panicked || f.Function == "runtime.gopanic"
		if !more {
			return "unknown place"
		}
	}
}
