//go:build (!amd64 && !arm64) || purego

package kernel

var int8Sets = []*Int8{&generic8}
