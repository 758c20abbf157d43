package kernel

var float32Sets = []*Float32{&generic}
