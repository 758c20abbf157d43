// Package preprocess turns images into the tensors that a network was trained on, with the
// bytes of PIL and torchvision.
//
// A [Config] is what torchvision writes as
//
//	Resize(int(size/crop_pct), InterpolationMode.BICUBIC), CenterCrop(size), ToTensor(), Normalize(mean, std)
//
// and [Config.Tensor] gives the 1×C×H×W float32 tensor. Networks that take gray images have one
// channel, those that take alpha four; [Config.For] fits a Config to them. [ImageNet] has the constants that
// RepViT was trained with: crop_pct 0.875 in the official code, 0.95 in timm. The model
// files of this project carry their Config as JSON in the metadata "repvit.preprocess".
//
// # Geometry
//
// The image is scaled so that its shorter side becomes int(size/crop_pct) and the other
// int(short·long/short side), truncated as torchvision does, and the centre is cut out at
// round((scaled−size)/2), ties to even. Where a scaled side is smaller than the crop
// (crop_pct above 1), black is added around it, the odd pixel right and below.
//
// For targets that are not square the same rule holds for the side that is short relative to
// the target: the scaled image just covers int(H/crop_pct)×int(W/crop_pct), so nothing is
// distorted and nothing is missing. For square targets this is torchvision's rule.
//
// # Whole images
//
// A [Fit] is for networks that answer for each pixel. [Segmentation] and [Detection] are the test
// pipelines of mmsegmentation and mmdetection: the image keeps its shape and is scaled with OpenCV's
// linear interpolation, equal to cv2.resize to the last level. [Letterbox] is SAM's, with PIL's
// filter. A [Placement] says where the image went, and maps what the network says back to it.
// Model files carry a Fit, too, under "repvit.preprocess". Images are to be opened with
// [OpenUpright].
//
// # Resampling
//
// Scaling is PIL's Image.resize: an antialiasing filter whose support grows with the
// reduction, with coefficients of 22 fractional bits, the horizontal pass before the
// vertical, and rounding to 8 bits after each. The levels are equal to PIL's for every image
// whose decoded pixels are. [Nearest] takes one pixel each, without antialiasing, by the
// positions that PIL adds up. Only the rows and columns that the crop needs are computed.
//
// # Colours
//
// As in PIL's convert("RGB"), or convert("L") for one channel and convert("RGBA") for four,
// which is scaled with colours premultiplied by alpha and padded with transparent black. In
// RGB: alpha is dropped, not blended; gray is repeated; palettes are
// looked up; CMYK is multiplied out. Of 16-bit samples the upper byte counts (PIL 9 clips
// 16-bit gray images to white instead). Embedded profiles and gamma are ignored. [Open] and
// [Decode] ignore EXIF orientation as torchvision's ImageFolder and the official training code of
// classifiers do; [OpenUpright] and [DecodeUpright] obey it, as cv2.imread does for the others.
//
// The chroma of JPEG files is interpolated, and converted to RGB, as libjpeg-turbo does by
// default, PIL's decoder, while [image/jpeg] repeats samples. What remains is the difference
// between two inverse cosine transforms, one or two levels of 255.
//
// # Formats
//
// PNG, JPEG, WebP, BMP, GIF and TIFF are decoded, to PIL's levels; JPEG as said above. WebP is
// converted from its colours as libwebp does it. Of GIF and TIFF the first picture counts, on the
// file's canvas. A TIFF file's orientation is always obeyed, as PIL does. Animated WebP, JPEG in
// TIFF, and TIFF of CMYK or floats are refused.
//
// # Limits
//
// Before anything is allocated for pixels, the header is checked: at most 64 Mi pixels (2²⁶), at most 100 scans in a progressive JPEG, and
// a decoded size, working memory included, of at most 32 MiB + 64 bytes for each byte of
// the file. A PNG could otherwise ask for 1032 times its size and a JPEG for more. Files
// have at most 512 MiB.
//
// # Stability
//
// Within a major version, programs that use this package go on to compile and mean the same.
package preprocess
