// Package servecmd is the command serve: an HTTP server around a network.
package servecmd

import (
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"time"

	urfave "github.com/urfave/cli/v2"

	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/internal/cli"
	"github.com/repvit-go/repvit/internal/serve"
)

const description = `MODEL is a converted classifier, segmenter or detector; a promptable segmenter, such as
RepViT-SAM, is two files, its encoder and its decoder. What it is decides what is asked:

  POST /classify, /segment or /detect   an image as the body, or as a form's file
  POST /images                          the same, to be asked about: answers with an id
  POST /images/ID/mask                  {"points":[[x,y,label],…],"box":[x0,y0,x1,y1]}: a mask
  GET  /                                a page to click on photos
  GET  /model                           what is served
  GET  /healthz                         200 while the process lives
  GET  /readyz                          200 while it takes requests, 503 once it is shutting down
  GET  /metrics                         Prometheus

Examples:
  repvit serve m1.onnx --addr localhost:8080
  curl --data-binary @cat.jpg 'localhost:8080/classify?top=3'
  curl -F image=@cat.jpg localhost:8080/classify
  repvit serve sam.encoder.onnx sam.decoder.onnx

SIGHUP, or a changed file, loads the model again. SIGTERM or SIGINT ends the server when the
requests that were accepted are answered; its exit status is 0 then.`

// Formats of --log.
const (
	logText = "text"
	logJSON = "json"
)

// Choices are what flags may be, for completion.
func Choices() map[string][]string { return map[string][]string{"log": {logText, logJSON}, "addr": {}} }

// Commands are those of the package.
func Commands() []*urfave.Command {
	return []*urfave.Command{{Name: "serve", Usage: "answer over HTTP what images show", ArgsUsage: "MODEL | ENCODER DECODER", Description: description, Flags: []urfave.Flag{
		&urfave.StringFlag{Name: "addr", Value: "localhost:8080", DefaultText: "localhost:8080", Usage: "listen at `HOST:PORT`; :8080 for all of the network"},
		&urfave.IntFlag{Name: "concurrency", DefaultText: "all cores / threads", Usage: "look at `N` images at a time"},
		&urfave.IntFlag{Name: "threads", Value: 1, DefaultText: "1", Usage: "use `N` cores for one image"},
		&urfave.IntFlag{Name: "max-memory", Usage: "let a network's values take `MIB` mebibytes", DefaultText: "by weights and input"},
		&urfave.IntFlag{Name: "queue", Value: 64, DefaultText: "64; 16 with ENCODER", Usage: "let `N` requests wait besides; more are refused"},
		&urfave.Int64Flag{Name: "max-bytes", Value: 8 << 20, DefaultText: "8 MiB", Usage: "of a request's body, `N`"},
		&urfave.Int64Flag{Name: "max-bodies", Value: 128 << 20, DefaultText: "128 MiB", Usage: "bytes of all bodies together, `N`"},
		&urfave.IntFlag{Name: "max-pixels", Value: 32 << 20, DefaultText: "32 Mi", Usage: "of an image, `N`"},
		&urfave.IntFlag{Name: "max-images", Value: 64, DefaultText: "64", Usage: "of a promptable segmenter, keep `N` images to be asked about"},
		&urfave.DurationFlag{Name: "keep", Value: 15 * time.Minute, DefaultText: "15m", Usage: "and one for `T` after it was last asked about"},
		&urfave.DurationFlag{Name: "timeout", Value: 5 * time.Second, DefaultText: "5s; 1m with ENCODER", Usage: "of a request, waiting included, `T`"},
		&urfave.DurationFlag{Name: "idle-timeout", Value: time.Minute, DefaultText: "1m", Usage: "close connections that are unused for `T`"},
		&urfave.DurationFlag{Name: "drain-delay", Value: 2 * time.Second, DefaultText: "2s", Usage: "when shutting down, accept requests for `T` more"},
		&urfave.DurationFlag{Name: "drain-timeout", Value: 30 * time.Second, DefaultText: "30s", Usage: "and answer those accepted for `T`"},
		&urfave.DurationFlag{Name: "watch", Value: 2 * time.Second, DefaultText: "2s", Usage: "look every `T` whether the file has changed; 0 for never"},
		&urfave.StringFlag{Name: "log", Value: logText, DefaultText: logText, Usage: "`FORMAT` of the log on standard error: text or json"},
		&urfave.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "log warnings and errors only"},
	}, Action: run}}
}

func run(c *urfave.Context) error {
	cfg, err := parse(c)
	if err != nil {
		return err
	}
	level := slog.LevelInfo
	if c.Bool("quiet") {
		level = slog.LevelWarn
	}
	options := &slog.HandlerOptions{Level: level}
	cfg.Log = slog.New(slog.NewTextHandler(c.App.ErrWriter, options))
	if c.String("log") == logJSON {
		cfg.Log = slog.New(slog.NewJSONHandler(c.App.ErrWriter, options))
	}
	reload := make(chan os.Signal, 1)
	onHangup(reload)
	defer signal.Stop(reload)
	cfg.Reload = reload
	cli.Patient(c.Context)
	return cli.Hint(serve.Run(c.Context, *cfg))
}

// parse reads the flags. The error is one of usage.
func parse(c *urfave.Context) (*serve.Config, error) {
	threads, memory, err := cli.Engine(c)
	if err != nil {
		return nil, err
	}
	l := serve.Limits{Concurrency: c.Int("concurrency"), Queue: c.Int("queue"), MaxBytes: c.Int64("max-bytes"), MaxBodies: c.Int64("max-bodies"), MaxPixels: c.Int("max-pixels"), Timeout: c.Duration("timeout"),
		MaxImages: c.Int("max-images"), Keep: c.Duration("keep")}
	if !c.IsSet("concurrency") {
		l.Concurrency = 1
		if threads > 0 {
			l.Concurrency = max(runtime.GOMAXPROCS(0)/threads, 1)
		}
	}
	if c.Args().Len() == 2 { // encoders are slow, and who waits for others should not wait in vain
		if !c.IsSet("timeout") {
			l.Timeout = time.Minute
		}
		if !c.IsSet("queue") {
			l.Queue = 16
		}
	}
	if !c.IsSet("max-bodies") {
		l.MaxBodies = max(l.MaxBodies, 2*l.MaxBytes)
	}
	const most = 1 << 20
	switch {
	case c.Args().Len() != 1 && c.Args().Len() != 2:
		return nil, cli.Usagef("found %d files, expected one model, or an encoder and its decoder", c.Args().Len())
	case c.Args().Len() == 1 && (c.IsSet("max-images") || c.IsSet("keep")):
		return nil, cli.Usagef("--max-images and --keep are for a promptable segmenter, which is two files: ENCODER DECODER")
	case l.Concurrency < 1 || l.Concurrency > most:
		return nil, cli.Usagef("--concurrency %d: expected 1 to %d", l.Concurrency, most)
	case l.Queue < 0 || l.Queue > most:
		return nil, cli.Usagef("--queue %d: expected 0 to %d", l.Queue, most)
	case l.MaxBytes < 1 || l.MaxBytes > 1<<29:
		return nil, cli.Usagef("--max-bytes %d: expected 1 to %d", l.MaxBytes, 1<<29)
	case l.MaxBodies < 2*l.MaxBytes:
		return nil, cli.Usagef("--max-bodies %d: expected twice --max-bytes (%d) at least, because a body that arrives is copied once", l.MaxBodies, l.MaxBytes)
	case l.MaxPixels < 1 || l.MaxPixels > 1<<26:
		return nil, cli.Usagef("--max-pixels %d: expected 1 to %d", l.MaxPixels, 1<<26)
	case l.MaxImages < 1 || l.MaxImages > most:
		return nil, cli.Usagef("--max-images %d: expected 1 to %d", l.MaxImages, most)
	case l.Keep <= 0:
		return nil, cli.Usagef("--keep %v: expected a time, such as 15m", l.Keep)
	case l.Timeout <= 0:
		return nil, cli.Usagef("--timeout %v: expected a time, such as 5s", l.Timeout)
	}
	for _, name := range []string{"idle-timeout", "drain-delay", "drain-timeout", "watch"} {
		if c.Duration(name) < 0 {
			return nil, cli.Usagef("--%s %v: expected a time that is not negative", name, c.Duration(name))
		}
	}
	if f := c.String("log"); f != logText && f != logJSON {
		return nil, cli.Usagef("--log %q: expected %s or %s", f, logText, logJSON)
	}
	return &serve.Config{
		Models: c.Args().Slice(), Addr: c.String("addr"), Engine: infer.Options{Threads: threads, MaxMemory: memory}, Limits: l,
		IdleTime: c.Duration("idle-timeout"), DrainDelay: c.Duration("drain-delay"), DrainTimeout: c.Duration("drain-timeout"), Watch: c.Duration("watch"),
	}, nil
}
