module github.com/repvit-go/repvit/interop

go 1.26.0

require github.com/repvit-go/repvit v0.0.0

require (
	github.com/nlpodyssey/gopickle v0.2.0 // indirect
	golang.org/x/image v0.47.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)

replace github.com/repvit-go/repvit => ../
