// Command release makes everything that a release consists of, from the commit that is checked out:
//
//	release [--snapshot] DIR
//
// It writes an archive of the three programs for each of six systems, an image of repvit alone for each
// architecture (docker load), the list of what is linked (CycloneDX) and SHA256SUMS. DIR must not be
// there; it appears whole or not at all. The same commit gives the same bytes: times are those of the
// commit.
//
// The version is that of the commit's tag, as Go puts it into programs. Without a tag there is an error, or
// with --snapshot a version that says so. Files that are not committed do not count: the commit is built in a
// clone.
package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/CycloneDX/cyclonedx-go"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"golang.org/x/mod/module"
)

func main() {
	snapshot := flag.Bool("snapshot", false, "the commit needs no tag")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: release [--snapshot] DIR")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := release(ctx, flag.Arg(0), *snapshot); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// systems are those that programs are built for.
var systems = []struct{ os, arch string }{
	{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}, {"windows", "amd64"}, {"windows", "arm64"},
}

// programs are what an archive holds, beside the texts.
var (
	programs = []string{"repvit", "repvit-convert", "repvit-verify"}
	texts    = []string{"LICENSE", "README.md", "CHANGELOG.md", "internal/notices/THIRD_PARTY_NOTICES"}
)

// file is one of an archive.
type file struct {
	name string
	mode int64
	data []byte
}

func release(ctx context.Context, dir string, snapshot bool) (err error) {
	if _, err := os.Lstat(dir); err == nil {
		return fmt.Errorf("%s: found a file or folder, expected none", dir)
	}
	built, err := os.MkdirTemp("", "release")
	if err != nil {
		return err
	}
	defer os.RemoveAll(built)
	root, at, err := clone(ctx, built)
	if err != nil {
		return err
	}
	out, err := os.MkdirTemp(filepath.Dir(filepath.Clean(dir)), ".release")
	if err != nil {
		return err
	}
	defer os.RemoveAll(out)
	if err := os.Chmod(out, 0o755); err != nil {
		return err
	}
	version := ""
	for _, s := range systems {
		fmt.Fprintln(os.Stderr, "building", s.os, s.arch)
		to := filepath.Join(built, s.os+"_"+s.arch) + string(filepath.Separator)
		if err := build(ctx, root, to, s.os, s.arch); err != nil {
			return err
		}
		info, err := buildinfo.ReadFile(to + executable("repvit", s.os))
		if err != nil {
			return err
		}
		if version == "" {
			if version = info.Main.Version; !snapshot && module.IsPseudoVersion(version) {
				return fmt.Errorf("found a commit without a tag, which Go calls %s, expected one with a tag such as v1.2.3, or --snapshot", version)
			}
			if !strings.HasPrefix(version, "v") {
				return fmt.Errorf("found the version %q, expected Go to take it from git", version)
			}
			if err := writeSBOM(filepath.Join(out, artefact(version, "sbom.cdx.json")), info, at); err != nil {
				return err
			}
		}
		if err := pack(root, to, out, version, s.os, s.arch, at); err != nil {
			return err
		}
	}
	if err := sums(out); err != nil {
		return err
	}
	return os.Rename(out, dir)
}

func artefact(version, what string) string {
	return fmt.Sprintf("repvit_%s_%s", strings.ReplaceAll(version, "+", "_"), what)
}

// clone puts the commit that is checked out into a folder of dir, and says when it was made.
func clone(ctx context.Context, dir string) (root string, at time.Time, err error) {
	top, err := git(ctx, "rev-parse", "--show-toplevel")
	if err != nil {
		return "", at, err
	}
	commit, err := git(ctx, "rev-parse", "HEAD")
	if err != nil {
		return "", at, err
	}
	stamp, err := git(ctx, "show", "-s", "--format=%cI", commit)
	if err != nil {
		return "", at, err
	}
	if at, err = time.Parse(time.RFC3339, stamp); err != nil {
		return "", at, err
	}
	root = filepath.Join(dir, "tree")
	if _, err := git(ctx, "clone", "--quiet", "--shared", "--no-checkout", top, root); err != nil {
		return "", at, err
	}
	_, err = git(ctx, "-C", root, "checkout", "--quiet", "--detach", commit)
	return root, at.UTC(), err
}

func git(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", args...).Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return "", fmt.Errorf("git %s: %s", args[0], bytes.TrimSpace(exit.Stderr))
	}
	return strings.TrimSpace(string(out)), err
}

// build builds the programs for a system, with what the tag says as their version and nothing of this
// machine in them.
func build(ctx context.Context, root, to, goos, arch string) error {
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=true", "-ldflags=-s -w -buildid=", "-o", to)
	for _, p := range programs {
		c.Args = append(c.Args, "./cmd/"+p)
	}
	c.Dir, c.Stderr = root, os.Stderr
	// Whatever this machine has set for itself: no cgo, and the instruction set that every processor has.
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+arch, "GOFLAGS=-mod=readonly", "GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=", "GOWORK=off")
	return c.Run()
}

func executable(name, goos string) string {
	if goos == "windows" {
		return name + ".exe"
	}
	return name
}

// pack writes the archive of a system, and for linux the image.
func pack(root, from, out, version, goos, arch string, at time.Time) error {
	var files []file
	for _, p := range programs {
		name := executable(p, goos)
		data, err := os.ReadFile(from + name)
		if err != nil {
			return err
		}
		files = append(files, file{name, 0o755, data})
	}
	for _, t := range texts {
		data, err := os.ReadFile(filepath.Join(root, t))
		if err != nil {
			return err
		}
		files = append(files, file{filepath.Base(t), 0o644, data})
	}
	if goos == "linux" {
		if err := writeImage(filepath.Join(out, artefact(version, "image_"+arch+".tar")), files, version, arch, at); err != nil {
			return err
		}
	}
	write, extension := writeTar, ".tar.gz"
	if goos == "windows" {
		write, extension = writeZip, ".zip"
	}
	var b bytes.Buffer
	if err := write(&b, files, at); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, artefact(version, goos+"_"+arch+extension)), b.Bytes(), 0o644)
}

func writeTar(w io.Writer, files []file, at time.Time) error {
	z := gzip.NewWriter(w)
	if err := writePlainTar(z, files, at); err != nil {
		return err
	}
	return z.Close()
}

func writePlainTar(w io.Writer, files []file, at time.Time) error {
	t := tar.NewWriter(w)
	for _, f := range files {
		if err := t.WriteHeader(&tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.data)), ModTime: at, Format: tar.FormatUSTAR}); err != nil {
			return err
		}
		if _, err := t.Write(f.data); err != nil {
			return err
		}
	}
	return t.Close()
}

func writeZip(w io.Writer, files []file, at time.Time) error {
	z := zip.NewWriter(w)
	for _, f := range files {
		h := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: at}
		h.SetMode(os.FileMode(f.mode))
		m, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := m.Write(f.data); err != nil {
			return err
		}
	}
	return z.Close()
}

// nobody is the user that the image runs as.
const nobody = "65534:65534"

// writeImage writes an image that holds repvit and the licences, and nothing else.
func writeImage(path string, files []file, version, arch string, at time.Time) error {
	var kept []file
	for _, f := range files {
		if f.name == "repvit" || f.name == "LICENSE" || f.name == "THIRD_PARTY_NOTICES" {
			kept = append(kept, f)
		}
	}
	var b bytes.Buffer
	if err := writePlainTar(&b, kept, at); err != nil {
		return err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
	if err != nil {
		return err
	}
	image, err := mutate.Append(empty.Image, mutate.Addendum{Layer: layer, History: v1.History{Created: v1.Time{Time: at}, CreatedBy: "COPY repvit LICENSE THIRD_PARTY_NOTICES /"}})
	if err != nil {
		return err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = "linux", arch, v1.Time{Time: at}
	config.Config = v1.Config{Entrypoint: []string{"/repvit"}, User: nobody, WorkingDir: "/", ExposedPorts: map[string]struct{}{"8080/tcp": {}},
		Labels: map[string]string{"org.opencontainers.image.version": version, "org.opencontainers.image.licenses": "Apache-2.0"}}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return err
	}
	tag, err := name.NewTag("repvit:" + strings.ReplaceAll(version, "+", "_"))
	if err != nil {
		return err
	}
	return tarball.WriteToFile(path, tag, image)
}

// writeSBOM lists what a program is made of, as Go wrote it into the program.
func writeSBOM(path string, info *buildinfo.BuildInfo, at time.Time) error {
	component := func(kind cyclonedx.ComponentType, name, version string) cyclonedx.Component {
		url := "pkg:golang/" + name + "@" + version
		return cyclonedx.Component{Type: kind, BOMRef: url, PackageURL: url, Name: name, Version: version}
	}
	b := cyclonedx.NewBOM()
	main := component(cyclonedx.ComponentTypeApplication, info.Main.Path, info.Main.Version)
	b.Metadata = &cyclonedx.Metadata{Timestamp: at.Format(time.RFC3339), Component: &main}
	all := []cyclonedx.Component{component(cyclonedx.ComponentTypeLibrary, "std", strings.TrimPrefix(info.GoVersion, "go"))}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		all = append(all, component(cyclonedx.ComponentTypeLibrary, m.Path, m.Version))
	}
	b.Components = &all
	var text bytes.Buffer
	if err := cyclonedx.NewBOMEncoder(&text, cyclonedx.BOMFileFormatJSON).SetPretty(true).Encode(b); err != nil {
		return err
	}
	return os.WriteFile(path, text.Bytes(), 0o644)
}

// sums writes SHA256SUMS, for sha256sum -c.
func sums(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var lines []string
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		lines = append(lines, fmt.Sprintf("%x  %s\n", sha256.Sum256(data), e.Name()))
	}
	slices.Sort(lines)
	return os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(strings.Join(lines, "")), 0o644)
}
