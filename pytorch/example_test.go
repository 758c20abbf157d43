package pytorch_test

import (
	"fmt"
	"log"

	"github.com/repvit-go/repvit/pytorch"
)

func Example() {
	f, err := pytorch.Open("../testdata/v1_ddp_legacy.pth")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	weights, err := f.StateDict(pytorch.Options{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s file, %d tensors under %q, without %q\n", f.Format, len(weights.Keys()), weights.Path, weights.Prefix)

	t, _ := weights.Get("features.0.0.c.weight")
	values, err := t.Float32s()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(t.DType, t.Shape, len(values))
	// Output:
	// legacy file, 306 tensors under "state_dict", without "module."
	// float32 [8 3 3 3] 216
}
