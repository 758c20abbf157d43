package coreml

import (
	"fmt"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of the messages (Model.proto, FeatureTypes.proto, MIL.proto).
const (
	modelVersion, modelDescription, modelProgram = 1, 2, 502

	descriptionInput, descriptionOutput, descriptionLabel, descriptionProbabilities, descriptionMetadata = 1, 10, 11, 12, 100

	metadataShort, metadataUser = 1, 100

	featureName, featureType = 1, 3

	featureString, featureImage, featureArray, featureDictionary = 3, 4, 5, 6

	imageWidth, imageHeight, imageColors = 1, 2, 3
	colorsRGB                            = 20

	arrayShape, arrayType = 1, 2

	dictionaryString = 2

	programVersion, programFunctions = 1, 2

	functionInputs, functionOpset, functionBlocks = 1, 2, 3

	blockOutputs, blockOperations = 2, 3

	operationType, operationInputs, operationOutputs, operationAttributes = 1, 2, 3, 5

	argumentBindings         = 1
	bindingName, bindingItem = 1, 2

	namedName, namedType = 1, 2

	valueType, valueImmediate, valueBlob = 2, 3, 5

	blobFile, blobOffset = 1, 2

	immediateTensor, immediateList = 1, 3

	tensorFloats, tensorInts, tensorBools, tensorStrings, tensorBytes = 1, 2, 3, 4, 7

	typeTensor, typeList, typeDictionary = 1, 2, 4

	tensorTypeData, tensorTypeRank, tensorTypeDimensions = 1, 2, 3

	listType, listLength = 1, 2

	dictionaryKey, dictionaryValue = 1, 2

	mapKey, mapValue = 1, 2
)

// message is one that is being written.
type message []byte

func (m message) bytes(n protowire.Number, b []byte) message {
	return protowire.AppendBytes(protowire.AppendTag(m, n, protowire.BytesType), b)
}

func (m message) text(n protowire.Number, s string) message { return m.bytes(n, []byte(s)) }

func (m message) number(n protowire.Number, v int) message {
	return protowire.AppendVarint(protowire.AppendTag(m, n, protowire.VarintType), uint64(v))
}

// entry adds one of a map from strings.
func (m message) entry(n protowire.Number, key string, value message) message {
	return m.bytes(n, message(nil).text(mapKey, key).bytes(mapValue, value))
}

// packed adds numbers as one field.
func (m message) packed(n protowire.Number, values []int) message {
	var b []byte
	for _, v := range values {
		b = protowire.AppendVarint(b, uint64(v))
	}
	return m.bytes(n, b)
}

// field is one of a message that is read.
type field struct {
	number protowire.Number
	data   []byte // of fields that are bytes or messages
	n      uint64
}

// each calls f for every field of a message, in order; what says which message, for errors.
func each(b []byte, what string, f func(field) error) error {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("%w: %s: %w", ErrFormat, what, protowire.ParseError(n))
		}
		b = b[n:]
		v := field{number: number}
		switch kind {
		case protowire.VarintType:
			v.n, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			v.data, n = protowire.ConsumeBytes(b)
			if v.data == nil {
				v.data = []byte{}
			}
		default:
			return fmt.Errorf("%w: %s: field %d of wire type %d", ErrUnsupported, what, number, kind)
		}
		if n < 0 {
			return fmt.Errorf("%w: %s: field %d: %w", ErrFormat, what, number, protowire.ParseError(n))
		}
		b = b[n:]
		if err := f(v); err != nil {
			return err
		}
	}
	return nil
}

// unknown is the error of a field that means something that is not read.
func unknown(what string, f field) error {
	return fmt.Errorf("%w: %s: field %d", ErrUnsupported, what, f.number)
}

func (f field) text(what string) (string, error) {
	if f.data == nil || !utf8.Valid(f.data) {
		return "", fmt.Errorf("%w: %s: field %d, expected text in UTF-8", ErrFormat, what, f.number)
	}
	return string(f.data), nil
}

func (f field) int(what string) (int, error) {
	if f.data != nil || f.n > math.MaxInt32 {
		return 0, fmt.Errorf("%w: %s: field %d, expected a number below 2³¹", ErrFormat, what, f.number)
	}
	return int(f.n), nil
}

// message returns a field that is a message.
func (f field) message(what string) ([]byte, error) {
	if f.data == nil {
		return nil, fmt.Errorf("%w: %s: field %d, expected a message", ErrFormat, what, f.number)
	}
	return f.data, nil
}

// entry takes one of a map from strings apart.
func (f field) entry(what string) (key string, value []byte, err error) {
	b, err := f.message(what)
	if err != nil {
		return "", nil, err
	}
	err = each(b, what, func(f field) (err error) {
		switch f.number {
		case mapKey:
			key, err = f.text(what)
		case mapValue:
			value, err = f.message(what)
		default:
			err = unknown(what, f)
		}
		return err
	})
	return key, value, err
}
