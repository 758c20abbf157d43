package tflite

import (
	"archive/zip"
	"bytes"
	"math"
	"strings"
)

// The metadata that task libraries read is a flatbuffer of its own (google-ai-edge/LiteRT,
// metadata_schema.fbs), whose files stand in a zip archive behind the model.
const (
	describedEntry      = "TFLITE_METADATA"
	describedIdentifier = "M001"
	labelsFile          = "labels.txt"

	describedName, describedSubgraphs, describedParser = 0, 3, 7

	subgraphInputs, subgraphOutputs = 2, 3

	tensorDescribedName, tensorContent, tensorProcess, tensorFiles = 0, 3, 4, 6

	contentType, contentProperties = 0, 1
	imageProperties                = 2
	colorSpace, colorRGB           = 0, 1

	processType, processOptions = 0, 1
	normalization               = 1
	normalMean, normalStd       = 0, 1

	fileName, fileType = 0, 2
	axisLabels         = 2
)

// described is the metadata for task libraries; nil where there is none.
func (e *encoder) described() []byte {
	o := e.options
	if len(o.Mean) != 3 && o.Labels == nil {
		return nil
	}
	in := table{tensorDescribedName: text(e.g.Inputs[0].Name)}
	if len(o.Mean) == 3 {
		singles := func(v []float64) []float32 {
			s := make([]float32, len(v))
			for i, x := range v {
				s[i] = float32(math.Round(255*x*1e6) / 1e6)
			}
			return s
		}
		in[tensorContent] = table{contentType: uint8(imageProperties), contentProperties: table{colorSpace: uint8(colorRGB)}}
		in[tensorProcess] = tables{{processType: uint8(normalization), processOptions: table{normalMean: singles(o.Mean), normalStd: singles(o.Std)}}}
	}
	var outs tables
	for _, v := range e.g.Outputs {
		t := table{tensorDescribedName: text(v.Name)}
		if o.Labels != nil {
			t[tensorFiles] = tables{{fileName: text(labelsFile), fileType: int8(axisLabels)}}
		}
		outs = append(outs, t)
	}
	var b bytes.Buffer
	root := table{describedName: text(e.g.Name), describedParser: text("1.0.0"), describedSubgraphs: tables{{subgraphInputs: tables{in}, subgraphOutputs: outs}}}
	_, _ = place(root, describedIdentifier).WriteTo(&b) // a buffer gives no errors
	return b.Bytes()
}

// files are those of the metadata, a zip archive that begins at an offset of the file.
func (o Options) files(offset int) ([]byte, error) {
	if o.Labels == nil {
		return nil, nil
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	z.SetOffset(int64(offset))
	f, err := z.CreateHeader(&zip.FileHeader{Name: labelsFile, Method: zip.Store})
	if err == nil {
		_, err = f.Write([]byte(strings.Join(o.Labels, "\n") + "\n"))
	}
	if err == nil {
		err = z.Close()
	}
	return b.Bytes(), err
}
