package evaluate

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/repvit-go/repvit/preprocess"
)

// Broken is an image that was left out because it cannot be decoded.
type Broken struct {
	File   string `json:"file"` // relative to the folder of images
	Reason string `json:"reason"`
}

// brokenJSON is how results marshal the images that were left out, nil for none.
type brokenJSON struct {
	Count int      `json:"count"`
	Files []Broken `json:"files"`
}

func brokenOrNil(all []Broken) *brokenJSON {
	if len(all) == 0 {
		return nil
	}
	return &brokenJSON{len(all), all}
}

// leaveOut adds an image to those left out if err is that it cannot be decoded. What else is
// wrong with a file, such as that it is not there, stays an error.
func leaveOut(all *[]Broken, dir, name string, err error) error {
	if !errors.Is(err, preprocess.ErrImage) {
		return err
	}
	reason := strings.TrimPrefix(err.Error(), filepath.Join(dir, name)+": ")
	*all = append(*all, Broken{name, strings.TrimPrefix(reason, preprocess.ErrImage.Error()+": ")})
	return nil
}

// noneLeft is the error of a run of which all images were left out.
func noneLeft(dir string, images int, all []Broken) error {
	if images > 0 || len(all) == 0 {
		return nil
	}
	return fmt.Errorf("%s: %w: none of %d can be decoded, the first is %s: %s", dir, preprocess.ErrImage, len(all), all[0].File, all[0].Reason)
}
