package preprocess_test

import (
	"fmt"
	"log"

	"github.com/repvit-go/repvit/preprocess"
)

func Example() {
	img, err := preprocess.Open("testdata/420.jpg")
	if err != nil {
		log.Fatal(err)
	}
	x, err := preprocess.ImageNet(224, 224, 0.875).Tensor(img)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(img.Bounds().Size(), x.DType, x.Shape)
	// Output: (61,43) float32 [1 3 224 224]
}

// A detector sees the whole image; what it finds is mapped back.
func ExampleDetection() {
	img, err := preprocess.OpenUpright("testdata/420.jpg")
	if err != nil {
		log.Fatal(err)
	}
	x, at, err := preprocess.Detection(1333, 800).Tensor(img)
	if err != nil {
		log.Fatal(err)
	}
	right, bottom := at.ToImage(1135, 800)
	fmt.Println(x.Shape, at.Resized, right, bottom)
	// Output: [1 3 800 1152] (1135,800) 61 43
}
