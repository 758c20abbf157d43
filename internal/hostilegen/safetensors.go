package main

import (
	"encoding/binary"
	"strings"

	tt "github.com/repvit-go/repvit/internal/torchtest"
)

func safetensors() []attack {
	body := tt.Float32s(1, 2, 3, 4, 5, 6)
	file := func(header string) []byte { return tt.SafetensorsOf(header, body) }
	const good = `"a.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}`
	long := file("{" + good + "}")
	binary.LittleEndian.PutUint64(long, 1<<39)
	return []attack{
		{"safetensors_header_huge.safetensors", long, "byte 0: found a header of 549755813888 bytes, expected at most the "},
		{"safetensors_truncated.safetensors", file("{" + good + "}")[:40], "byte 0: found a header of "},
		{"safetensors_not_json.safetensors", file("{this is no JSON}"), "header: invalid character 't'"},
		{"safetensors_json_ends.safetensors", file("{" + good), "header: "},
		{"safetensors_json_deep.safetensors", file(`{"a":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + "}"), "header: "},
		{"safetensors_after_json.safetensors", file("{" + good + "}{}"), `header: found "{}" after the JSON object`},
		{"safetensors_twice.safetensors", file("{" + good + "," + good + "}"), `tensor "a.weight": it stands twice in the header`},
		{"safetensors_entry_list.safetensors", file(`{"a.weight":[1,2]}`), `tensor "a.weight": `},
		{"safetensors_entry_null.safetensors", file(`{"a.weight":null}`), `tensor "a.weight": found "null", expected a dtype, a shape and two data_offsets`},
		{"safetensors_entry_unknown.safetensors", file(`{"a.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24],"run":"me"}}`), `tensor "a.weight": `},
		{"safetensors_metadata.safetensors", file(`{"__metadata__":{"a":1},` + good + "}"), "header, __metadata__: "},
		{"safetensors_type.safetensors", file(`{"a.weight":{"dtype":"F8_E4M3","shape":[24],"data_offsets":[0,24]}}`), "it is of type float8_e4m3fn; convert it to float32"},
		{"safetensors_one_offset.safetensors", file(`{"a.weight":{"dtype":"F32","shape":[0],"data_offsets":[0]}}`), "expected a dtype, a shape and two data_offsets"},
		{"safetensors_offsets_swapped.safetensors", file(`{"a.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[24,0]}}`), `tensor "a.weight": found bytes 24 to 0`},
		{"safetensors_offset_negative.safetensors", file(`{"a.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[-24,0]}}`), `tensor "a.weight": `},
		{"safetensors_outside.safetensors", file(`{"a.weight":{"dtype":"F32","shape":[2,4],"data_offsets":[0,32]}}`), `tensor "a.weight": found bytes 0 to 32, expected them inside the file's 24`},
		{"safetensors_hole.safetensors", file(`{"a.weight":{"dtype":"F32","shape":[5],"data_offsets":[4,24]}}`), `tensor "a.weight": found it at byte 4, expected 0`},
		{"safetensors_overlap.safetensors", file(`{"a.weight":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"b.weight":{"dtype":"F32","shape":[3],"data_offsets":[12,24]}}`), `tensor "b.weight": found it at byte 12, expected 16`},
		{"safetensors_shared.safetensors", file("{" + good + `,"b.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}`), `tensor "b.weight": found it at byte 0, expected 24`},
		{"safetensors_after_tensors.safetensors", tt.SafetensorsOf("{"+good+"}", append(body[:24:24], 1, 2, 3)), "the end of the last tensor: found 3 more bytes"},
		{"safetensors_shape_size.safetensors", file(`{"a.weight":{"dtype":"F32","shape":[2,2],"data_offsets":[0,24]}}`), `tensor "a.weight": found 24 bytes, expected as many as shape [2 2] of float32 needs`},
		{"safetensors_shape_negative.safetensors", file(`{"a.weight":{"dtype":"F32","shape":[-2,-3],"data_offsets":[0,24]}}`), `tensor "a.weight": found shape [-2 -3], expected no negative numbers`},
		{"safetensors_shape_overflow.safetensors", file(`{"a.weight":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}`), `tensor "a.weight": found 0 bytes, expected as many as shape [4294967296 4294967296] of float32 needs`},
		{"safetensors_axes.safetensors", file(`{"a.weight":{"dtype":"F32","shape":[6` + strings.Repeat(",1", 64) + `],"data_offsets":[0,24]}}`), `tensor "a.weight": found 65 axes, expected 64 at most`},
		{"safetensors_no_weights.safetensors", tt.SafetensorsOf("{}", nil), "no state dict found: "},
	}
}
