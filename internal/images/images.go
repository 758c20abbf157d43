// Package images reads sets of images as network inputs: for calibration and evaluation.
package images

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/preprocess"
)

// List returns the files in a folder and its subfolders whose names end in one of
// [preprocess.Extensions], sorted by path. The folder may be a symbolic link; links to folders inside it are not followed.
func List(dir string) ([]string, error) {
	root, err := filepath.EvalSymlinks(dir) // filepath.WalkDir does not follow its root
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(root); err != nil {
		return nil, err
	} else if !info.IsDir() {
		return nil, fmt.Errorf("%s: found a file, expected a folder of images", dir)
	}
	var files []string
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if slices.Contains(preprocess.Extensions(), strings.ToLower(filepath.Ext(path))) {
			inside, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			files = append(files, filepath.Join(dir, inside))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: found no images in the folder, expected files named %s", dir, strings.Join(preprocess.Extensions(), ", "))
	}
	return files, nil
}

// Spread returns at most n of the files, evenly spread over the list: folders are often
// sorted by class.
func Spread[T any](files []T, n int) []T {
	if len(files) <= n {
		return files
	}
	out := make([]T, n)
	for i := range out {
		out[i] = files[i*len(files)/n]
	}
	return out
}

// Input returns what makes a file the input of a network for which images are cropped,
// 1×C×H×W float32.
func Input(cfg preprocess.Config) func(file string) (*graph.Tensor, error) {
	return func(file string) (*graph.Tensor, error) {
		img, err := preprocess.Open(file)
		if err != nil {
			return nil, err
		}
		t, err := cfg.Tensor(img)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		return t, nil
	}
}

// Whole returns what makes a file the input of a network that sees whole images.
func Whole(fit preprocess.Fit) func(file string) (*graph.Tensor, error) {
	return func(file string) (*graph.Tensor, error) {
		img, err := preprocess.OpenUpright(file)
		if err != nil {
			return nil, err
		}
		t, _, err := fit.Tensor(img)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		return t, nil
	}
}

// Load makes inputs of image files, on the number of threads given (0 for all). The error names
// the first file that is none, whatever the threads do.
func Load(ctx context.Context, files []string, input func(file string) (*graph.Tensor, error), threads int, progress func(done, total int)) ([]*graph.Tensor, error) {
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	out, failed := make([]*graph.Tensor, len(files)), make([]error, len(files))
	finished := make(chan struct{}, len(files))
	g, working := errgroup.WithContext(ctx)
	g.SetLimit(threads + 1) // one only counts
	g.Go(func() error {
		for i := range files {
			select {
			case <-finished:
				progress(i+1, len(files))
			case <-working.Done():
				return working.Err()
			}
		}
		return nil
	})
	for i, f := range files {
		if working.Err() != nil {
			break // all files before one that failed have begun, and are finished
		}
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			out[i], failed[i] = input(f)
			finished <- struct{}{}
			return failed[i]
		})
	}
	err := g.Wait()
	for _, first := range failed {
		if first != nil {
			return nil, first
		}
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Split returns at most n images of a batch N×3×H×W, evenly spread, each 1×3×H×W. The error
// wraps [graph.ErrShape] for tensors of other shapes or types.
func Split(t *graph.Tensor, n int) ([]*graph.Tensor, error) {
	if len(t.Shape) != 4 || t.DType != graph.Float32 || slices.Contains(t.Shape, 0) {
		return nil, fmt.Errorf("%w: found %v of shape %v, expected float32 N×3×H×W", graph.ErrShape, t.DType, t.Shape)
	}
	all := make([]*graph.Tensor, t.Shape[0])
	for i := range all {
		all[i] = t.Slice(i, i+1)
	}
	return Spread(all, n), nil
}
