package infer_test

import (
	"context"
	"fmt"
	"image"
	"log"
	"os"
	"path/filepath"

	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/native"
	"github.com/repvit-go/repvit/preprocess"
)

// A service opens a model file once and classifies images from any number of goroutines.
func ExampleOpen() {
	// repvit-convert writes such files; here it is a network that looks at the mean colour.
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "model.safetensors")
	file, err := os.Create(path)
	if err != nil {
		log.Fatal(err)
	}
	if err := native.Encode(file, classifier()); err != nil {
		log.Fatal(err)
	}
	if err := file.Close(); err != nil {
		log.Fatal(err)
	}

	s, err := infer.Open(path, infer.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	img, err := preprocess.Open("../preprocess/testdata/420.jpg")
	if err != nil {
		log.Fatal(err)
	}
	top, err := s.Classify(context.Background(), img, 1)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(top[0].Label)
	// Output: blue
}

func ExampleSession_Classify() {
	s, err := infer.New(classifier(), infer.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	img := image.NewRGBA(image.Rect(0, 0, 300, 200))
	for i := range img.Pix {
		img.Pix[i] = 255
		if i%4 == 1 {
			img.Pix[i] = 100 // less green
		}
	}
	top, err := s.Classify(context.Background(), img, 3)
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range top {
		fmt.Printf("%s %.2f\n", p.Label, p.Score)
	}
	// Output:
	// blue 0.83
	// red 0.17
	// green 0.00
}
