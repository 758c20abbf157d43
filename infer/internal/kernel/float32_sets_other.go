//go:build !amd64 || purego

package kernel

var float32Sets = []*Float32{&generic}
