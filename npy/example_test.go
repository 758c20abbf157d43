package npy_test

import (
	"bytes"
	"fmt"
	"log"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/npy"
)

func Example() {
	var file bytes.Buffer
	if err := npy.Write(&file, graph.Float32Tensor([]int{2, 2}, []float32{1, 2, 3, 4})); err != nil {
		log.Fatal(err)
	}
	t, err := npy.Read(file.Bytes())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(file.Len(), t.DType, t.Shape, t.Float32s())
	// Output: 144 float32 [2 2] [1 2 3 4]
}
