package model

// Info is what names and shapes say about a network.
type Info struct {
	Family     string  `json:"family"`     // "RepViT"
	Naming     string  `json:"naming"`     // whose names the keys are, "official" or "timm"
	Variant    string  `json:"variant"`    // "RepViT-M0.9", or "RepViT (custom)"; a label only
	Generation string  `json:"generation"` // "v1", "v2", "mixed" or, where it can't be told any more, "fused"
	Classes    int     `json:"classes"`
	Distilled  bool    `json:"distilled"` // two heads, whose mean is the output
	Stages     []Stage `json:"stages"`
	BNEpsilon  float64 `json:"bn_epsilon"`
	Taps       Taps    `json:"taps"`            // of feature maps
	Whole      string  `json:"whole,omitempty"` // of what network the backbone is a part, "Semantic FPN"
	// Parts are those of a promptable segmenter that the checkpoint has.
	Parts []string `json:"parts,omitempty"`
	Head  string   `json:"head,omitempty"` // where the output comes from, where it is not the network's own head
}

// Stage is a run of blocks of one width; the strided block that begins a stage counts.
type Stage struct {
	Width  int    `json:"width"`
	Blocks int    `json:"blocks"`
	SE     string `json:"se"` // a digit for each block: 1 with squeeze-and-excitation
}
