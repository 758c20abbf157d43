package pytorch

import (
	"fmt"
	"slices"
	"strings"
)

// decodeZip decodes the format of PyTorch 1.6 and later: NAME/data.pkl, a pickle, and
// NAME/data/KEY, the raw storages that it refers to.
func decodeZip(data []byte) (any, error) {
	z, err := openArchive(data)
	if err != nil {
		return nil, err
	}
	records := z.byName
	var pickles []string
	for name := range records {
		if name == "data.pkl" || strings.HasSuffix(name, "/data.pkl") && strings.Count(name, "/") == 1 {
			pickles = append(pickles, name)
		}
	}
	slices.Sort(pickles)
	if len(pickles) != 1 {
		return nil, malformed("zip directory", "found %d records NAME/data.pkl among %d, expected one", len(pickles), len(records))
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
			return nil, fmt.Errorf("%w: %s says %q, expected \"little\"", ErrUnsupported, r.place(), clip(string(order), 20))
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
