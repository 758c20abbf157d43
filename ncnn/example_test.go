package ncnn_test

import (
	"fmt"

	"github.com/repvit-go/repvit/ncnn"
)

func ExampleNormalization() {
	fmt.Println(ncnn.Normalization([]float64{0, 0.5, 1}, []float64{1, 0.5, 0.25}))
	// Output: in C++: const float mean[3] = {0.0f, 127.5f, 255.0f}, norm[3] = {0.003921569f, 0.007843138f, 0.015686275f}; in.substract_mean_normalize(mean, norm);
}
