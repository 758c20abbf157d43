package pytorch

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// notCheckpoint returns the error for a file that is no checkpoint: what it is, as far as its first
// bytes say, and what to do.
func notCheckpoint(data []byte) error {
	is := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrUnsupported}, args...)...)
	}
	for _, k := range []struct{ magic, text string }{
		{"version https://git-lfs", "a Git LFS pointer, not the checkpoint it stands for; run git lfs pull, or download the file itself"},
		{"version https://hawser", "a Git LFS pointer, not the checkpoint it stands for; run git lfs pull, or download the file itself"},
		{"\x1f\x8b", "compressed by gzip; unpack it with gunzip or tar -x first"},
		{"BZh", "compressed by bzip2; unpack it first"},
		{"\xfd7zXZ\x00", "compressed by xz; unpack it first"},
		{"\x28\xb5\x2f\xfd", "compressed by zstd; unpack it first"},
		{"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first"},
		{"Rar!", "a RAR archive; unpack it first"},
		{"\x93NUMPY", "a NumPy array; give the checkpoint that torch.save wrote"},
		{"\x89HDF", "an HDF5 file, as Keras writes; give the checkpoint that torch.save wrote"},
		{"GGUF", "a GGUF file; give the checkpoint that torch.save wrote"},
		{"%PDF", "a PDF document; give the checkpoint that torch.save wrote"},
	} {
		if bytes.HasPrefix(data, []byte(k.magic)) {
			return is("%s", k.text)
		}
	}
	start := bytes.TrimLeft(bytes.TrimPrefix(data[:min(len(data), 512)], []byte("\xef\xbb\xbf")), " \t\r\n")
	lower := bytes.ToLower(start)
	has := func(prefix string) bool { return bytes.HasPrefix(lower, []byte(prefix)) }
	switch {
	case len(data) > 262 && bytes.HasPrefix(data[257:], []byte("ustar")):
		return is("a tar archive: either it holds the checkpoint, then unpack it with tar -x, or PyTorch before 0.1.10 wrote it, then save it again with a newer PyTorch")
	case len(data) > 8 && string(data[4:8]) == "TFL3":
		return is("a TFLite model; give the checkpoint that it was made from")
	case has("<!doctype html"), has("<html"), has("<head"):
		return is("a web page (HTML) in place of the checkpoint; download the file itself, logged in if need be")
	case has("<?xml"), has("<error"):
		return is("a server's answer (XML) in place of the checkpoint; download the file again")
	case has("{"), has("["):
		if bytes.Contains(data[:min(len(data), 1<<20)], []byte(`"weight_map"`)) {
			return is("the index of a checkpoint in several files; give one file, as save_pretrained(max_shard_size=...) or torch.save(model.state_dict()) writes it")
		}
		return is("JSON text in place of the checkpoint, which begins with %q; download the file itself", oneLine(clip(strings.TrimSpace(string(start)), 60)))
	case data[0] == 0x80 && len(data) > 1 && data[1] <= 5:
		return is("a plain pickle, which torch.save did not write; load it in Python and write it with torch.save(model.state_dict())")
	case utf8.Valid(start) && !bytes.ContainsRune(start, 0):
		return malformed("byte 0", "found text that begins with %q, expected the zip or legacy format of torch.save, or safetensors; download the file again", oneLine(clip(strings.TrimSpace(string(start)), 60)))
	}
	return malformed("byte 0", "found %q, expected the zip or legacy format of torch.save, or safetensors", data[:min(len(data), 8)])
}
