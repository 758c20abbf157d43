package pytorch

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// decodeZip decodes the format of PyTorch 1.6 and later: NAME/data.pkl, a pickle, and
// NAME/data/KEY, the raw storages that it refers to.
func decodeZip(data []byte) (any, error) {
	records, err := openArchive(data)
	if err != nil {
		return nil, err
	}
	return decodeRecords(records)
}

// decodeRecords decodes an archive's records, or the files of a folder that it was unpacked
// into.
func decodeRecords[S source](records map[string]S) (any, error) {
	var pickles []string
	for name := range records {
		if name == "data.pkl" || strings.HasSuffix(name, "/data.pkl") && strings.Count(name, "/") == 1 {
			pickles = append(pickles, name)
		}
	}
	slices.Sort(pickles)
	if len(pickles) != 1 {
		return nil, noPickle(records, len(pickles))
	}
	dir := strings.TrimSuffix(pickles[0], "data.pkl")
	for name := range records {
		if name == dir+"constants.pkl" || strings.HasPrefix(name, dir+"code/") {
			return nil, fmt.Errorf("%w: a TorchScript archive, expected a checkpoint written by torch.save; save the state dict of the network it was traced from", ErrUnsupported)
		}
	}
	if r, ok := records[dir+"byteorder"]; ok {
		order, err := r.bytes()
		if err != nil {
			return nil, err
		}
		if string(order) != "little" {
			return nil, fmt.Errorf("%w: %s says %q, expected \"little\"; save it again on a little-endian machine", ErrUnsupported, r.place(), clip(string(order), 20))
		}
	}
	r := records[pickles[0]]
	if r.size() > maxPickle {
		return nil, malformed(r.place(), "found %d bytes, expected %d at most", r.size(), maxPickle)
	}
	text, err := r.bytes()
	if err != nil {
		return nil, err
	}
	u := &unpickler{place: r.place(), storage: func(key string, d DType, numel int) (source, int, error) {
		s, ok := records[dir+"data/"+key]
		if !ok {
			return nil, 0, malformed(recordPlace(dir+"data/"+key), "missing, expected a storage of %d elements", numel)
		}
		bytes, ok := times(numel, d.Size(), true)
		if !ok || bytes > s.size() {
			return nil, 0, malformed(s.place(), "found %d bytes, expected %d elements of %s", s.size(), numel, d)
		}
		return s, numel, nil
	}}
	root, n, err := u.run(text)
	if err != nil {
		return nil, err
	}
	if n != len(text) {
		return nil, malformed(r.place(), "found %d bytes after the pickle's end, expected none", len(text)-n)
	}
	return root, nil
}

// noPickle says what an archive is that is no checkpoint.
func noPickle[S source](records map[string]S, pickles int) error {
	var inside []string
	npy, proto := false, false
	for _, name := range slices.Sorted(maps.Keys(records)) {
		base := strings.ToLower(name[strings.LastIndexByte(name, '/')+1:])
		switch ext := base[strings.LastIndexByte(base, '.')+1:]; ext {
		case "pth", "pt", "ckpt", "bin", "tar", "pkl", "safetensors", "onnx", "zip":
			if base != "data.pkl" {
				inside = append(inside, name)
			}
		case "npy":
			npy = true
		case "pb", "json", "mlmodel":
			proto = true
		}
	}
	switch {
	case pickles == 0 && len(inside) > 0:
		return fmt.Errorf("%w: a zip archive that holds %s; unpack it and give the checkpoint inside", ErrUnsupported, quoteAll(inside))
	case pickles == 0 && npy:
		return fmt.Errorf("%w: arrays of NumPy (.npz); write the network's weights with torch.save(model.state_dict())", ErrUnsupported)
	case pickles == 0 && (proto || len(records) == 0):
		return fmt.Errorf("%w: a zip archive of %d files without a checkpoint, as Keras and others write them; give what torch.save wrote", ErrUnsupported, len(records))
	}
	return malformed("zip directory", "found %d records NAME/data.pkl among %d, expected one", pickles, len(records))
}
