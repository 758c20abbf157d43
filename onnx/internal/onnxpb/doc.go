// Package onnxpb holds the protocol buffer types of an ONNX file, generated from onnx.proto.
//
// Generating needs the Go toolchain only: _generate reads the schema itself and runs the
// version of protoc-gen-go that go.mod pins, so the result does not depend on what is
// installed.
package onnxpb

//go:generate go run ./_generate onnx.proto
