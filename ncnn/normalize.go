package ncnn

import (
	"fmt"
	"strconv"
	"strings"
)

// Normalization says in C++ how pixels of 0 … 255, RGB, become the input of a network that takes
// (x/255 − mean)/std, channel by channel: the files have no place for it. ncnn's substract_mean_normalize
// computes (x − 255·mean) · 1/(255·std).
func Normalization(mean, std []float64) string {
	means, norms := make([]string, len(mean)), make([]string, len(std))
	for i := range mean {
		means[i] = literal(255 * mean[i])
		norms[i] = literal(1 / (255 * std[i]))
	}
	return fmt.Sprintf("in C++: const float mean[%d] = {%s}, norm[%d] = {%s}; in.substract_mean_normalize(mean, norm);",
		len(means), strings.Join(means, ", "), len(norms), strings.Join(norms, ", "))
}

// literal is a constant of C++'s type float, which needs a point.
func literal(v float64) string {
	text := strconv.FormatFloat(v, 'f', -1, 32)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text + "f"
}
