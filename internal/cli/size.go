package cli

import (
	"strconv"
	"strings"
)

// maxSide bounds an image's height and width.
const maxSide = 1 << 14

// ParseSize reads an input resolution: "224", "96x160" (height first) or "dynamic", which
// is 0, 0. The error is one of usage.
func ParseSize(s string) (height, width int, err error) {
	if s == "dynamic" {
		return 0, 0, nil
	}
	h, w, two := strings.Cut(s, "x")
	if !two {
		w = h
	}
	height, err1 := strconv.Atoi(h)
	width, err2 := strconv.Atoi(w)
	if err1 != nil || err2 != nil || height < 1 || width < 1 || height > maxSide || width > maxSide {
		return 0, 0, Usagef("--size %q: expected N, HxW or dynamic, with 1 to %d pixels a side", s, maxSide)
	}
	return height, width, nil
}
