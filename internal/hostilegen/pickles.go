package main

import (
	"bytes"
	"strings"

	tt "github.com/repvit-go/repvit/internal/torchtest"
)

// stream returns a checkpoint whose pickle is opcodes between PROTO and STOP.
func stream(opcodes string) []byte { return bare("\x80\x02" + opcodes + ".") }

// bare returns a checkpoint whose pickle is p.
func bare(p string) []byte {
	return tt.Zip(tt.Record{Name: "archive/data.pkl", Data: []byte(p)}, tt.Record{Name: "archive/version", Data: []byte("3\n")})
}

// calls returns a checkpoint in which a function is called with a string.
func calls(global string) []byte {
	return tt.Checkpoint(tt.Dict{"model", tt.Call{Func: tt.Global(global), Args: tt.Tuple{"echo owned"}}})
}

// member returns the opcodes of getattr(X, name), where X is a class that nobody knows.
func member(name string) string {
	return "c__builtin__\ngetattr\nc__main__\nX\nU" + string([]byte{byte(len(name))}) + name + "\x86R"
}

// module is a pickled nn.Module whose only child is pickled by child.
func module(child string) string {
	return "ctorch.nn.modules.module\nModule\n)\x81}(" +
		"U\x0b_parameters}U\x08_buffers}U\x08_modules}(" + child + "uub"
}

func pickles() []attack {
	const noWeights = "no state dict found: "
	const place = " of record archive/data.pkl: "
	laughs := "(U\x03lolt" + strings.Repeat("2\x86", 60) // a tuple of the one before, twice, sixty times
	nest := module("")
	for range 30 {
		nest = module("U\x01a" + nest + "q\x01U\x01bh\x01")
	}
	deep := strings.Repeat("}U\x01a", 3000) + "N" + strings.Repeat("s", 3000)
	return []attack{
		{"pickle_os_system.pth", calls("posix system"), `the pickle names "posix.system", expected only tensors and plain data; it was not run`},
		{"pickle_eval.pth", calls("__builtin__ eval"), `names "__builtin__.eval"`},
		{"pickle_getattr.pth", calls("__builtin__ getattr"), `calls "getattr"`},
		{"pickle_getattr_called.pth", stream(member("system") + "U\x02id\x85R"), `calls "__main__.X.system"`},
		{"pickle_getattr_chain.pth", stream("c__builtin__\ngetattr\n" + member("__class__") + "U\x0e__subclasses__\x86R)R"), `calls "__main__.X.__class__.__subclasses__"`},
		{"pickle_getattr_text.pth", stream("c__builtin__\ngetattr\nU\x00U\x04join\x86R"), `calls "getattr"`},
		{"pickle_getattr_function.pth", stream("c__builtin__\ngetattr\nctorch._utils\n_rebuild_tensor_v2\nU\x0b__globals__\x86R"), `calls "getattr"`},
		{"pickle_getattr_name.pth", stream("c__builtin__\ngetattr\nc__main__\nX\nc__main__\nY\n\x86R"), `calls "getattr"`},
		{"pickle_partial_called.pth", stream("cfunctools\npartial\nc__main__\nX\n\x85R)R"), `calls "a plain value"`},
		{"pickle_partial_system.pth", stream("cfunctools\npartial\ncposix\nsystem\n\x85R"), `names "posix.system"`},
		{"pickle_placeholder_called.pth", calls("torch._utils _import_dotted_name"), `calls "torch._utils._import_dotted_name"`},
		{"pickle_record_called.pth", stream("c__main__\nX\n)\x81)R"), "REDUCE requires a Callable object"},
		{"pickle_method_called.pth", calls("torch.nn.modules.module Module.forward"), `calls "torch.nn.modules.module.Module.forward"`},
		{"pickle_type_makes_class.pth", stream("c__builtin__\ntype\nU\x01X)}\x87R"), `calls "type"`},
		{"pickle_map.pth", stream("c__builtin__\nmap\nc__main__\nx\n]\x86R"), `calls "builtins.map"`},
		{"pickle_reconstructor_system.pth", stream("ccopyreg\n_reconstructor\ncsubprocess\nPopen\nc__builtin__\nobject\nN\x87R"), `names "subprocess.Popen"`},
		{"pickle_new_function.pth", stream("ctorch._utils\n_rebuild_tensor_v2\n)\x81"), "NEWOBJ requires a PyNewable object"},
		{"pickle_dotted_os.pth", stream("\x8c\x0anumpy.f2py\x8c\x09os.system\x93"), `names "numpy.f2py.os.system"`},
		{"pickle_from_type_placeholder.pth", stream("ctorch._tensor\n_rebuild_from_type_v2\n(c__main__\nx\nc__main__\nX\n)}tR"), "a tensor is not rebuilt from (function, type, arguments, state)"},
		{"pickle_code.pth", stream("ctypes\nCodeType\n"), `names "types.CodeType"`},
		{"pickle_load_from_bytes.pth", stream("}U\x08a.weightctorch._utils\n_rebuild_tensor_v2\n(ctorch.storage\n_load_from_bytes\nU\x0fcposix\nsystem\n.\x85RK\x00K\x01\x85K\x01\x85tRs"), "it is stored by plain pickle"},
		{"pickle_record_as_weight.pth", tt.Checkpoint(tt.Dict{"features.0.0.c.weight", tt.Object{Class: tt.Global("__main__ X"), State: tt.Dict{}}}), noWeights},
		{"pickle_import.pth", calls("importlib import_module"), `names "importlib.import_module"`},
		{"pickle_torch_load.pth", calls("torch.serialization load"), `names "torch.serialization.load"`},
		{"pickle_torch_hub.pth", calls("torch.hub load"), `names "torch.hub.load"`},
		{"pickle_nested_name.pth", stream("\x8c\x10torch.nn.modules\x8c\x0eModule.forward\x93"), noWeights + "found the name torch.nn.modules.Module.forward"},
		{"pickle_stack_global.pth", bare("\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R."), `names "posix.system"`},
		{"pickle_newline_name.pth", stream("\x8c\x15torch.nn.modules.a\nos\x8c\x06System\x93"), `names "torch.nn.modules.a\nos.System"`},
		{"pickle_long_name.pth", stream("X\xd0\x07\x00\x00" + strings.Repeat("a", 2000) + "X\xd0\x07\x00\x00" + strings.Repeat("b", 2000) + "\x93"), `names "aaaaaaaa`},
		{"pickle_calls_module.pth", calls("torch.nn.modules.linear Linear"), noWeights},
		{"pickle_inst.pth", stream("(U\x04trueiposix\nsystem\n"), "byte 9" + place + "found opcode 0x69"},
		{"pickle_obj.pth", stream("(cposix\nsystem\nU\x04trueo"), place + "found opcode 0x6f"},
		{"pickle_extension.pth", stream("\x82\x01"), "byte 2" + place + "found opcode 0x82"},
		{"pickle_persistent_text.pth", stream("Pstorage\n"), "byte 2" + place + "found opcode 0x50"},
		{"pickle_persistent_other.pth", stream("U\x07storageQ"), "found a persistent id that is not ('storage', class, key, location, count)"},
		{"pickle_unknown_opcode.pth", stream("\xff"), "byte 2" + place + "found opcode 0xff"},
		{"pickle_next_buffer.pth", stream("\x97"), "found opcode 0x97"},
		{"pickle_protocol.pth", bare("\x80\x2aN."), "unsupported pickle protocol: 42"},
		{"pickle_huge_string.pth", stream("X\xff\xff\xff\xffabc"), "byte 2" + place + "found a length of 4294967295, expected at most the 4 bytes that are left"},
		{"pickle_huge_string8.pth", stream("\x8d\xff\xff\xff\xff\xff\xff\xff\x7fabc"), "found a length of 9223372036854775807"},
		{"pickle_negative_string8.pth", stream("\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc"), "found a length of 18446744073709551615"},
		{"pickle_huge_bytes.pth", stream("B\xff\xff\xff\x7fabc"), "found a length of 2147483647"},
		{"pickle_huge_bytearray.pth", stream("\x96\x00\x00\x00\x00\x01\x00\x00\x00abc"), "found a length of 4294967296"},
		{"pickle_huge_frame.pth", bare("\x80\x04\x95\x00\x00\x00\x00\x00\x01\x00\x00N."), "byte 2" + place + "found a length of 1099511627776"},
		{"pickle_huge_long.pth", stream("\x8b\xff\xff\xff\x7fabc"), "found a length of 2147483647"},
		{"pickle_negative_long.pth", stream("\x8b\xff\xff\xff\xffabc"), "found a length of 4294967295"},
		{"pickle_empty_long.pth", stream("\x8a\x00"), "the opcodes do not fit together"},
		{"pickle_no_stop.pth", bare("\x80\x02}"), "byte 3" + place + "found the end of the stream, expected the opcode STOP"},
		{"pickle_no_newline.pth", bare("\x80\x02ctorch"), "found no end of line"},
		{"pickle_long_line.pth", stream("I" + strings.Repeat("1", 5000) + "\n"), "found no end of line, expected one within 4096 bytes"},
		{"pickle_after_end.pth", bare("\x80\x02N.N."), "record archive/data.pkl: found 2 bytes after the pickle's end, expected none"},
		{"pickle_empty_stack.pth", stream(""), "record archive/data.pkl: the stack is empty"},
		{"pickle_no_mark.pth", stream("t"), "the meta stack is empty"},
		{"pickle_odd_dict.pth", stream("}(U\x01au"), "the opcodes do not fit together"},
		{"pickle_unhashable.pth", stream("ccollections\nOrderedDict\n)RC\x01aNs"), "the opcodes do not fit together"},
		{"pickle_calls_tuple.pth", stream("U\x01a\x85)R"), "REDUCE requires a Callable object"},
		{"pickle_far_memo.pth", stream("Nr\xff\xff\xff\xffj\xfe\xff\xff\xff"), noWeights + "found None"},
		{"pickle_many_marks.pth", stream(strings.Repeat("(", 1001)), "found more than 1000 open marks"},
		{"pickle_many_tuples.pth", deflate(stream(strings.Repeat("(t", 230_000))), "containers"},
		{"pickle_repeated_string.pth", deflate(stream("X\x00\x00\x01\x00" + strings.Repeat("a", 1<<16) + "q\x00(" + strings.Repeat("h\x00", 64) + "t)R")), "found strings repeated to more than "},
		{"pickle_duplicated_string.pth", deflate(stream("(X\x00\x00\x01\x00" + strings.Repeat("a", 1<<16) + strings.Repeat("2", 64) + "t)R")), "found strings repeated to more than "},
		{"pickle_billion_laughs.pth", stream(laughs), noWeights + "found a tuple of 2 objects"},
		{"pickle_contains_itself.pth", stream("]q\x00h\x00a"), noWeights + "found a list of 1 objects"},
		{"pickle_dict_contains_itself.pth", stream("}q\x00U\x05modelh\x00s"), noWeights + `found a dictionary with "model"`},
		{"pickle_deep.pth", stream(deep), noWeights + `found a dictionary with "a"`},
		{"pickle_modules_in_modules.pth", stream(nest), "the object: found more than 50000 modules in one"},
		{"pickle_from_type_in_itself.pth", stream("ctorch._tensor\n_rebuild_from_type_v2\nq\x00(h\x00N(h\x00NNNtNtR"), "a tensor is not rebuilt from (function, type, arguments, state)"},
		{"pickle_build_string.pth", stream("U\x01a}U\x01bNsb"), "BUILD requires a PyDictSettable instance"},
		{"pickle_none.pth", stream("N"), noWeights + "found None"},
		{"pickle_text.pth", stream("U\x05hello"), noWeights + "found a string"},
		{"pickle_numbers.pth", tt.Checkpoint(tt.Dict{"epoch", 3, "lr", 0.1}), noWeights + `found a dictionary with "epoch", "lr"`},
		{"pickle_many_keys.pth", tt.Checkpoint(manyKeys()), noWeights + `found a dictionary with "k0"`},
		{"pickle_list.pth", tt.Checkpoint(tt.List{1, 2, 3}), noWeights + "found a list of 3 objects"},
	}
}

func manyKeys() tt.Dict {
	var d tt.Dict
	for i := range 200 {
		d = append(d, "k"+strings.Repeat("x", i)+string('0'+rune(i%10)), i)
	}
	d[0] = "k0"
	return d
}

// deflate packs the records of an archive, where they are long and dull.
func deflate(b []byte) []byte {
	return repack(bytes.NewReader(b), int64(len(b)))
}
