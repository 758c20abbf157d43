// Package finite is about numbers that JSON has no form for: NaN and the infinities.
package finite

import "math"

// OrNil returns x, or nil where it is not finite.
func OrNil(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}
