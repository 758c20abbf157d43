package preprocess

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"image"

	"github.com/repvit-go/repvit/internal/mmap"
)

// OpenUpright is [Open] of an image that is turned as its EXIF orientation says, as cv2.imread
// and viewers show it. Networks for segmentation and detection are trained on such images.
func OpenUpright(path string) (image.Image, error) { return open(path, DecodeUpright) }

// DecodeUpright is [DecodeContext] of an image that is turned as its EXIF orientation says.
func DecodeUpright(ctx context.Context, data []byte) (image.Image, error) {
	img, err := DecodeContext(ctx, data)
	if err != nil {
		return nil, err
	}
	return upright(img, tiffOrientation(formatOf(data).exif(data))), nil
}

// open decodes an image file. The error names it.
func open(path string, decode func(context.Context, []byte) (image.Image, error)) (image.Image, error) {
	m, err := mmap.Open(path)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	img, err := decode(context.Background(), m.Data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return img, nil
}

// jpegEXIF returns the TIFF structure in a JPEG file's first EXIF segment before the scans.
func jpegEXIF(data []byte) []byte {
	data = data[2:]
	for len(data) >= 4 && data[0] == 0xff && data[1] != 0xda {
		if data[1] == 0xff { // fill byte
			data = data[1:]
			continue
		}
		size := int(binary.BigEndian.Uint16(data[2:]))
		if size < 2 || size > len(data)-2 {
			return nil
		}
		segment := data[4 : 2+size]
		if tiff, ok := bytes.CutPrefix(segment, []byte("Exif\x00\x00")); ok && data[1] == 0xe1 {
			return tiff
		}
		data = data[2+size:]
	}
	return nil
}

// pngEXIF returns the content of a PNG file's eXIf chunk, which may stand before or behind the
// pixels.
func pngEXIF(data []byte) []byte {
	data = data[min(8, len(data)):]
	for len(data) >= 12 {
		size := int64(binary.BigEndian.Uint32(data))
		if size > int64(len(data)-12) {
			return nil
		}
		if string(data[4:8]) == "eXIf" {
			return data[8 : 8+size]
		}
		data = data[12+size:]
	}
	return nil
}

// tiffOrientation returns the value of the tag Orientation in a TIFF structure's first directory.
func tiffOrientation(tiff []byte) int {
	if len(tiff) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.BigEndian
	if tiff[0] == 'I' {
		order = binary.LittleEndian
	}
	at := int64(order.Uint32(tiff[4:]))
	if at+2 > int64(len(tiff)) {
		return 1
	}
	entries := tiff[at+2:]
	for range order.Uint16(tiff[at:]) {
		if len(entries) < 12 {
			break
		}
		const tag, short = 0x0112, 3
		if order.Uint16(entries) == tag && order.Uint16(entries[2:]) == short {
			if v := int(order.Uint16(entries[8:])); v >= 1 && v <= 8 {
				return v
			}
			break
		}
		entries = entries[12:]
	}
	return 1
}

// upright turns an image of an EXIF orientation.
func upright(img image.Image, orientation int) image.Image {
	if orientation == 1 {
		return img
	}
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	// Where the source's first pixel comes to lie, and the steps from one of its pixels to the
	// next of the row and of the column.
	turned := image.Rect(0, 0, w, h)
	if orientation >= 5 {
		turned = image.Rect(0, 0, h, w)
	}
	out := image.NewNRGBA(turned)
	stride := out.Stride
	var first, right, down int
	switch lastX, lastY := 4*(turned.Dx()-1), stride*(turned.Dy()-1); orientation {
	case 2: // mirrored
		first, right, down = lastX, -4, stride
	case 3: // turned by 180°
		first, right, down = lastX+lastY, -4, -stride
	case 4: // mirrored top to bottom
		first, right, down = lastY, 4, -stride
	case 5: // transposed
		first, right, down = 0, stride, 4
	case 6: // to be turned right
		first, right, down = lastX, stride, -4
	case 7: // transposed along the other diagonal
		first, right, down = lastX+lastY, -stride, -4
	case 8: // to be turned left
		first, right, down = lastY, -stride, 4
	}
	read := newChannels(img, 4, false).reader()
	row := make([]uint8, 4*w)
	for y := range h {
		read(row, y, 0, w)
		for x := range w {
			copy(out.Pix[first+y*down+x*right:][:4], row[4*x:][:4])
		}
	}
	return out
}
