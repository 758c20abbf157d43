package reference

import "github.com/repvit-go/repvit/graph"

// reshape keeps every element where it is.
func (e *exec) reshape(_ graph.Reshape, out array, in []array) { copy(out.v, in[0].v) }
