//go:build !amd64 || purego

package kernel

var int8Sets = []*Int8{&generic8}
