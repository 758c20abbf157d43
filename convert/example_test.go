package convert_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/repvit-go/repvit/convert"
	"github.com/repvit-go/repvit/model"
)

func ExampleFile() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)

	r, err := convert.File(context.Background(), "../testdata/v2_release.pth", filepath.Join(dir, "m.onnx"), convert.Options{
		Model: model.Options{Height: 64, Width: 64},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Classes, "classes,", r.Output.Format, "opset", r.Output.Opset)
	fmt.Println("compared:", r.Check.Compared, r.Check.MaxAbs < 1e-4)
	// Output:
	// 10 classes, onnx opset 17
	// compared: [fusing file format] true
}
