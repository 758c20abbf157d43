// Command classify prints what an image shows.
//
//	classify MODEL IMAGE
//
// MODEL is what repvit-convert writes, ONNX or native; IMAGE is a file that package preprocess decodes.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/preprocess"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: classify MODEL IMAGE")
		os.Exit(2)
	}
	if err := classify(os.Stdout, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "classify:", err)
		os.Exit(1)
	}
}

// classify is the classifier itself, in ten lines.
func classify(w io.Writer, model, path string) error {
	session, err := infer.Open(model, infer.Options{})
	if err != nil {
		return err
	}
	defer session.Close()
	img, err := preprocess.Open(path)
	if err != nil {
		return err
	}
	top, err := session.Classify(context.Background(), img, 5)
	for _, p := range top {
		fmt.Fprintf(w, "%5.1f %%  %s\n", 100*p.Score, p.Label)
	}
	return err
}
