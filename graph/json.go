package graph

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// maxAttributes bounds the JSON of an operator's attributes, in bytes.
const maxAttributes = 4 << 10

// kinds are the operators by name.
var kinds = func() map[string]reflect.Type {
	m := map[string]reflect.Type{}
	for _, op := range Ops() {
		m[op.Kind()] = reflect.TypeOf(op)
	}
	return m
}()

// MarshalOp returns an operator's attributes as JSON, nil where it has none. The error wraps
// [ErrGraph].
func MarshalOp(op Op) (json.RawMessage, error) {
	text, err := marshal(op)
	if err != nil || string(text) == "{}" {
		return nil, err
	}
	return text, nil
}

// UnmarshalOp returns the operator of a kind with the attributes that [MarshalOp] returned. Every
// attribute must be there, and none that the operator does not have. The error wraps [ErrGraph].
func UnmarshalOp(kind string, attributes []byte) (Op, error) {
	t, ok := kinds[kind]
	if !ok {
		return nil, fmt.Errorf("%w: found operator %q, expected one of package graph", ErrGraph, clip(kind))
	}
	op := reflect.New(t)
	if err := exact(attributes, op.Interface()); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrGraph, kind, err)
	}
	return op.Elem().Interface().(Op), nil
}

// exact decodes an object that must have every field of v, with nothing missing and nothing
// left over, which encoding/json alone does not ask for.
func exact(text []byte, v any) error {
	if len(text) == 0 {
		text = []byte("{}")
	}
	if len(text) > maxAttributes {
		return fmt.Errorf("found attributes of %d bytes, expected at most %d", len(text), maxAttributes)
	}
	if err := json.Unmarshal(text, v); err != nil {
		return err
	}
	back, err := marshal(v)
	if err != nil {
		return err
	}
	if bytes.Equal(back, text) {
		return nil
	}
	var a, b any
	if err := errors.Join(json.Unmarshal(text, &a), json.Unmarshal(back, &b)); err != nil {
		return err
	}
	if !reflect.DeepEqual(a, b) {
		return fmt.Errorf("found attributes %s, expected the form of %s", clip(string(text)), clip(string(back)))
	}
	return nil
}

// marshal is json.Marshal without the escapes for HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrGraph, err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// clip shortens text that errors quote.
func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}
