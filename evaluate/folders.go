package evaluate

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ClassFolders returns the folders in a folder of images that stand for classes, sorted by name as
// torchvision's ImageFolder sorts them. Hidden ones do not count; links to folders do. There are
// none where images are beside them.
//
// The images of a class are at any depth below its folder. The class is the folder's position or,
// where every folder has the name of one of the network's classes, that class. Positions need as
// many folders as there are classes, and no name that says otherwise.
func ClassFolders(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return nil, err
	}
	var folders []string
	for _, e := range entries {
		if hidden(e) {
			continue
		}
		if isFolder(dir, e) {
			folders = append(folders, e.Name())
		} else if isImage(e) {
			return nil, nil
		}
	}
	return folders, nil
}

func hidden(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), ".") }

// isFolder follows links.
func isFolder(dir string, e fs.DirEntry) bool {
	if e.Type()&fs.ModeSymlink == 0 {
		return e.IsDir()
	}
	info, err := os.Stat(filepath.Join(dir, e.Name()))
	return err == nil && info.IsDir()
}

// labelledByFolders returns the images of all class folders, class by class.
func (o *Images) labelledByFolders(folders []string) ([]Label, error) {
	var files []Label
	for i, folder := range folders {
		root, err := filepath.EvalSymlinks(filepath.Join(o.Dir, folder)) // filepath.WalkDir does not follow its root
		if err != nil {
			return nil, err
		}
		err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			switch {
			case err != nil || path == root:
				return err
			case hidden(e) && e.IsDir():
				return filepath.SkipDir
			case hidden(e) || !isImage(e):
				return nil
			}
			inside, err := filepath.Rel(root, path)
			files = append(files, Label{filepath.Join(folder, inside), i})
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: found no images in the folder or those in it, expected files named .png, .jpg or .jpeg", o.Dir)
	}
	classes, err := classesOf(o.Engine.Graph(), o.Preprocess)
	if err != nil {
		return nil, err
	}
	class, err := folderClasses(folders, classes, o.Names)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", o.Dir, ErrLabels, err)
	}
	for i := range files {
		files[i].Class = class[files[i].Class]
	}
	return files, nil
}

// folderClasses returns the class of each folder.
func folderClasses(folders []string, classes int, names []string) ([]int, error) {
	known := byName(names)
	class := make([]int, len(folders))
	moved, unnamed := -1, -1 // folders whose name says another class than their position, or none
	for i, folder := range folders {
		var ok bool
		if class[i], ok = known[folder]; !ok {
			class[i], unnamed = i, i
		} else if class[i] != i {
			moved = i
		}
	}
	switch {
	case unnamed < 0:
		return class, nil
	case len(folders) != classes && len(names) > 0:
		return nil, fmt.Errorf("found %d folders, expected %d, one for each class, or names of the network's classes, and %q is none", len(folders), classes, clip(folders[unnamed]))
	case len(folders) != classes:
		return nil, fmt.Errorf("found %d folders, expected %d, one for each class", len(folders), classes)
	case moved >= 0:
		return nil, fmt.Errorf("found the folder %q in position %d, which is the name of class %d, expected names of the network's classes for all folders, and %q is none", clip(folders[moved]), moved, class[moved], clip(folders[unnamed]))
	}
	return class, nil
}

// byName returns the classes by their names, without names that several have.
func byName(names []string) map[string]int {
	classes := make(map[string]int, len(names))
	twice := map[string]bool{}
	for i, name := range names {
		if _, ok := classes[name]; ok || name == "" {
			twice[name] = true
		}
		classes[name] = i
	}
	for name := range twice {
		delete(classes, name)
	}
	return classes
}
