package model_test

import (
	"fmt"
	"log"

	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/model/family"
	"github.com/repvit-go/repvit/pytorch"
	"github.com/repvit-go/repvit/reparam"
)

func ExampleBuild() {
	f, err := pytorch.Open("../testdata/v2_release.pth")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	weights, err := f.StateDict(pytorch.Options{})
	if err != nil {
		log.Fatal(err)
	}
	m, err := family.Build(weights, model.Options{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Info.Variant, m.Info.Generation, m.Info.Classes, "classes")
	fmt.Println(m.Graph.Inputs[0].Type, "→", m.Graph.Outputs[0].Name)
	fmt.Println(m.Graph.Parameters(), "parameters,", reparam.Fuse(m.Graph).Parameters(), "when fused")
	// Output:
	// RepViT (custom) v2 10 classes
	// float32 batch×3×height×width → logits
	// 63684 parameters, 60570 when fused
}
