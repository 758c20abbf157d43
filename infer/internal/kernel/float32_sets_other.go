//go:build (!amd64 && !arm64) || purego

package kernel

var float32Sets = []*Float32{&generic}
