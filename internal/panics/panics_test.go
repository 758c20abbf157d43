package panics

import (
	"errors"
	"strings"
	"testing"
)

var errKind = errors.New("a defect")

func index(v []int, i int) (err error) {
	defer Catch(&err, errKind)
	v[i]++
	return nil
}

func TestCatch(t *testing.T) {
	if err := index(make([]int, 1), 0); err != nil {
		t.Error(err)
	}
	err := index(nil, 3)
	if !errors.Is(err, errKind) || !strings.HasPrefix(err.Error(), "a defect: runtime error: index out of range [3] with length 0 (panics_test.go:") {
		t.Errorf("%v, want one line with the place", err)
	}
	func() {
		defer Catch(&err, errKind)
		panic("two\nlines")
	}()
	if !strings.HasPrefix(err.Error(), "a defect: two lines (panics_test.go:") {
		t.Errorf("%v, want one line", err)
	}
}
