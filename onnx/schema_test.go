package onnx

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/onnx/internal/onnxpb"
)

// TestSchema holds this package's numbers and names against the schema's.
func TestSchema(t *testing.T) {
	for _, c := range []struct {
		message proto.Message
		fields  map[string]int
	}{
		{&onnxpb.ModelProto{}, map[string]int{"ir_version": modelIRVersion, "producer_name": modelProducerName, "producer_version": modelProducerVersion,
			"graph": modelGraph, "opset_import": modelOpsetImport, "metadata_props": modelMetadataProps}},
		{&onnxpb.OperatorSetIdProto{}, map[string]int{"domain": opsetDomain, "version": opsetVersion}},
		{&onnxpb.StringStringEntryProto{}, map[string]int{"key": propertyKey, "value": propertyValue}},
		{&onnxpb.GraphProto{}, map[string]int{"node": graphNode, "name": graphName, "initializer": graphInitializer, "input": graphInput,
			"output": graphOutput, "value_info": graphValueInfo}},
		{&onnxpb.NodeProto{}, map[string]int{"input": nodeInput, "output": nodeOutput, "name": nodeName, "op_type": nodeOpType, "attribute": nodeAttribute}},
		{&onnxpb.AttributeProto{}, map[string]int{"name": attributeName, "f": attributeFloat, "i": attributeInt, "s": attributeString, "ints": attributeInts, "type": attributeType}},
		{&onnxpb.TensorProto{}, map[string]int{"dims": tensorDims, "data_type": tensorDataType, "name": tensorName, "raw_data": tensorRawData}},
		{&onnxpb.ValueInfoProto{}, map[string]int{"name": infoName, "type": infoType}},
		{&onnxpb.TypeProto{}, map[string]int{"tensor_type": typeTensor}},
		{&onnxpb.TypeProto_Tensor{}, map[string]int{"elem_type": tensorTypeElem, "shape": tensorTypeShape}},
		{&onnxpb.TensorShapeProto{}, map[string]int{"dim": shapeDim}},
		{&onnxpb.TensorShapeProto_Dimension{}, map[string]int{"dim_value": dimValue, "dim_param": dimParam}},
	} {
		d := c.message.ProtoReflect().Descriptor()
		for name, number := range c.fields {
			f := d.Fields().ByTextName(name)
			if f == nil || int(f.Number()) != number {
				t.Errorf("%s.%s has number %d, the schema says %v", d.Name(), name, number, f)
			}
		}
	}
	for _, k := range []attributeKind{kindFloat, kindInt, kindString, kindFloats, kindInts} {
		if want := onnxpb.AttributeProto_AttributeType(k).String(); k.String() != want {
			t.Errorf("attribute type %d is named %v, the schema says %s", k, k, want)
		}
	}
	for number, want := range onnxpb.TensorProto_DataType_name {
		if got := dataType(number).String(); got != want {
			t.Errorf("element type %d is named %s, the schema says %s", number, got, want)
		}
	}
	for d, want := range map[graph.DType]onnxpb.TensorProto_DataType{
		graph.Float32: onnxpb.TensorProto_FLOAT, graph.Float64: onnxpb.TensorProto_DOUBLE, graph.Float16: onnxpb.TensorProto_FLOAT16,
		graph.Int8: onnxpb.TensorProto_INT8, graph.Uint8: onnxpb.TensorProto_UINT8, graph.Int32: onnxpb.TensorProto_INT32, graph.Int64: onnxpb.TensorProto_INT64,
	} {
		if got := dataTypes[d]; int64(got) != int64(want) {
			t.Errorf("%v is written as %v, want %v", d, got, want)
		}
	}
	if onnxpb.TensorProto_DEFAULT != locationDefault {
		t.Error("locationDefault is not the schema's")
	}
	if got := fmt.Sprint(attributeKind(99), dataType(-1), dataType(99)); got != "99 -1 99" {
		t.Errorf("unknown numbers are named %s", got)
	}
}

func pbInfo(name string, t graph.Type) *onnxpb.ValueInfoProto {
	shape := &onnxpb.TensorShapeProto{}
	for _, d := range t.Shape {
		dim := &onnxpb.TensorShapeProto_Dimension{}
		switch {
		case d.Known():
			dim.Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: int64(d.Size)}
		case d.Sym != "":
			dim.Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: d.String()}
		}
		shape.Dim = append(shape.Dim, dim)
	}
	return &onnxpb.ValueInfoProto{Name: proto.String(name), Type: &onnxpb.TypeProto{
		Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{
			ElemType: proto.Int32(int32(dataTypes[t.DType])), Shape: shape}}}}
}

func pbInteger(name string, v int) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: proto.String(name), I: proto.Int64(int64(v)), Type: onnxpb.AttributeProto_INT.Enum()}
}

func pbInts(name string, v ...int) *onnxpb.AttributeProto {
	a := &onnxpb.AttributeProto{Name: proto.String(name), Type: onnxpb.AttributeProto_INTS.Enum()}
	for _, i := range v {
		a.Ints = append(a.Ints, int64(i))
	}
	return a
}

func pbFloat(name string, v float64) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: proto.String(name), F: proto.Float32(float32(v)), Type: onnxpb.AttributeProto_FLOAT.Enum()}
}
