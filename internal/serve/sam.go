package serve

import (
	"bytes"
	"context"
	"crypto/rand"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/jellydator/ttlcache/v3"

	"github.com/repvit-go/repvit/internal/style"
	"github.com/repvit-go/repvit/mask"
	"github.com/repvit-go/repvit/sam"
)

// photo is an image that is asked about.
type photo struct {
	model     *loaded // that made the embedding
	embedding *sam.Embedding
}

// photos are those that are kept, by their ids. The one that was not asked about for the longest time
// makes room for another.
type photos = ttlcache.Cache[string, photo]

func newPhotos(l Limits) *photos {
	return ttlcache.New(ttlcache.WithTTL[string, photo](l.Keep), ttlcache.WithCapacity[string, photo](uint64(l.MaxImages)))
}

// kept is what POST /images answers.
type kept struct {
	ID     string  `json:"id"`
	Width  int     `json:"width"` // of the image as it stands upright, in pixels
	Height int     `json:"height"`
	Keep   float64 `json:"keep_seconds"` // for how long after the last request
}

// embed keeps what the encoder makes of the image in a request.
func (s *service) embed(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, promptable, func(ctx context.Context, m *loaded, _ query, body []byte) (any, image.Image, error) {
		img, err := s.image(ctx, r, body, true)
		if err != nil {
			return nil, nil, err
		}
		defer s.meters.inference(time.Now())
		e, err := m.sam.Embed(ctx, img)
		if err != nil {
			return nil, nil, err
		}
		id := rand.Text() // that nobody can guess
		s.photos.Set(id, photo{m, e}, ttlcache.DefaultTTL)
		if s.model.Load() != m { // it was replaced meanwhile, and nobody may keep the old one
			s.photos.Delete(id)
		}
		return kept{id, e.Bounds().X, e.Bounds().Y, s.limits.Keep.Seconds()}, nil, nil
	})
}

// segmented is what a prompt is answered.
type segmented struct {
	Width  int     `json:"width"`
	Height int     `json:"height"`
	Score  float64 `json:"score"` // what the network thinks of the mask
	Area   int     `json:"area"`  // pixels
	Mask   string  `json:"mask"`  // run lengths, as COCO's files have them
}

// scoreHeader has a mask's score where the answer is a picture.
const scoreHeader = "Repvit-Score"

// prompt answers with the mask of what a prompt on a photo points at.
func (s *service) prompt(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, prompted, func(ctx context.Context, m *loaded, q query, body []byte) (any, image.Image, error) {
		p, err := parsePrompt(body)
		if err != nil {
			return nil, nil, err
		}
		item := s.photos.Get(r.PathValue("id"))
		if item == nil || item.Value().model != m {
			return nil, nil, unknownImage(r)
		}
		defer s.meters.inference(time.Now())
		found, err := m.sam.Segment(ctx, item.Value().embedding, p)
		if err != nil {
			return nil, nil, err
		}
		picture := found.Image()
		if q.as != "json" {
			w.Header().Set(scoreHeader, strconv.FormatFloat(found.Score, 'g', 6, 64))
			return nil, picture, nil
		}
		pixels, err := mask.FromPixels(found.Height, found.Width, picture.Pix)
		return segmented{found.Width, found.Height, found.Score, pixels.Area(), pixels.String()}, nil, err
	})
}

func unknownImage(r *http.Request) error {
	return &problem{http.StatusNotFound, fmt.Sprintf("there is no image %.40q: it was not asked about for too long, made room for others or was deleted, or the model is another now; POST %s again", r.PathValue("id"), promptable.path)}
}

// forget deletes a photo.
func (s *service) forget(w http.ResponseWriter, r *http.Request) {
	if _, err := s.serves(promptable); err != nil {
		s.fail(w, err)
		return
	}
	if _, was := s.photos.GetAndDelete(r.PathValue("id")); !was {
		s.fail(w, unknownImage(r))
		return
	}
	s.reply(w, http.StatusOK, struct{}{})
}

// parsePrompt reads {"points":[[x,y,label],…],"box":[x0,y0,x1,y1]}. The error is one for the client. How
// many points there may be, and where, is for [sam.Segmenter.Segment] to say.
func parsePrompt(body []byte) (p sam.Prompt, err error) {
	const expected = `expected such as {"points":[[320,200,1],[10,20,0]]} or {"box":[10,20,320,200]}`
	var asked struct {
		Points [][]*float64 `json:"points"` // pointers, because null is no number
		Box    []*float64   `json:"box"`
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&asked); err != nil {
		return p, badRequest("the prompt can't be read: %v; %s", err, expected)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return p, badRequest("the prompt does not end behind its first value; %s", expected)
	}
	numbers := func(what string, list []*float64, least, most int) (out [4]float64, err error) {
		if len(list) < least || len(list) > most {
			return out, badRequest("%s: found %d numbers; %s", what, len(list), expected)
		}
		for i, v := range list {
			if v == nil {
				return out, badRequest("%s: found null in the place of a number", what)
			}
			out[i] = *v
		}
		return out, nil
	}
	for i, list := range asked.Points {
		what := fmt.Sprintf("points[%d]", i)
		q, err := numbers(what, list, 2, 3)
		at := sam.Point{X: q[0], Y: q[1]}
		switch {
		case err != nil:
			return p, err
		case len(list) == 2 || q[2] == 1:
			p.Inside = append(p.Inside, at)
		case q[2] == 0:
			p.Outside = append(p.Outside, at)
		default:
			return p, badRequest("%s: found the label %v, expected 1 for a point on the object or 0 for one that is not", what, q[2])
		}
	}
	if asked.Box != nil {
		b, err := numbers("box", asked.Box, 4, 4)
		if err != nil {
			return p, err
		}
		p.Box = &sam.Box{X0: b[0], Y0: b[1], X1: b[2], Y1: b[3]}
	}
	return p, nil
}

// file is one of the page's.
type file struct {
	kind string
	data []byte
}

//go:embed page
var pageFiles embed.FS

// page are the files of the page that is at / where a promptable segmenter is served.
var page = map[string]file{
	"/{$}":       {"text/html; charset=utf-8", pageFile("index.html")},
	"/page.js":   {"text/javascript; charset=utf-8", pageFile("page.js")},
	"/page.css":  {"text/css; charset=utf-8", pageFile("page.css")},
	"/style.css": {"text/css; charset=utf-8", style.Sheet},
}

func pageFile(name string) []byte {
	b, err := pageFiles.ReadFile("page/" + name)
	if err != nil {
		panic(err) // the program was built without it
	}
	return b
}

// pagePolicy lets the page talk to this server and to nobody else.
const pagePolicy = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// page answers with a file of the page.
func (s *service) page(w http.ResponseWriter, f file) {
	if _, err := s.serves(promptable); err != nil {
		s.fail(w, err)
		return
	}
	s.farewell(w)
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache")
	w.Write(f.data) // an error means that the client is gone
}
