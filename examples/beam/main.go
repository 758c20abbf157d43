// Command beam evaluates a network on a folder of images of any size with Apache Beam: here on Prism,
// Beam's local runner, or on a cluster with Flink, Spark or Dataflow, by the flags of Beam's Go SDK.
//
//	beam --model m1.onnx   --images val --labels val.csv
//	beam --model seg.onnx  --images val --masks labels
//	beam --model det.onnx  --images val2017 --coco instances_val2017.json
//
// Workers open model and images by the same paths as this program, so both lie on storage that all of
// them see. The figures are printed as JSON by the worker that has them, and are those of
// "repvit evaluate --strict --json".
package main

import (
	"context"
	"errors"
	"flag"
	"log"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/x/beamx"
)

func main() {
	var o options
	flag.StringVar(&o.Model, "model", "", "`FILE`, ONNX or native")
	flag.StringVar(&o.Images, "images", "", "folder `DIR` of images")
	flag.StringVar(&o.Labels, "labels", "", "classes of the images, in `FILE`.csv")
	flag.StringVar(&o.Masks, "masks", "", "label images of the images, in folder `DIR`")
	flag.StringVar(&o.Annotations, "coco", "", "objects of the images, in `FILE`.json")
	flag.StringVar(&o.Output, "figures", "-", "write the figures to `FILE`; - is standard output")
	flag.Parse()
	beam.Init()
	if err := run(context.Background(), o); err != nil {
		log.Fatal(err)
	}
}

// run evaluates on the runner that the flags name.
func run(ctx context.Context, o options) error {
	if o.Model == "" || o.Images == "" {
		return errors.New("expected --model and --images")
	}
	p, s := beam.NewPipelineWithRoot()
	if err := o.build(s); err != nil {
		return err
	}
	return beamx.Run(ctx, p)
}
