#!/usr/bin/env bash
# Installs what the interop tests compare with: ONNX Runtime (for Node and for pages), LiteRT, protobuf.js and
# playwright-core (npm), flatc, the ONNX checker and its conformance tests, OpenCV, Chromium, two fonts, QEMU and
# the GNU assembler for arm64 (Debian). Does nothing where it is there already.
set -euo pipefail
cd "$(dirname "$0")"
# onnxruntime-node's install script only downloads GPU libraries, which nothing here uses.
[ -d node_modules/onnxruntime-node ] && [ -d node_modules/onnxruntime-web ] && [ -d node_modules/playwright-core ] && [ -d node_modules/@litertjs/core ] && [ -d node_modules/protobufjs ] || npm install --ignore-scripts --no-audit --no-fund --silent
debs=()
/usr/bin/python3 -c 'import onnx, cv2' 2>/dev/null || debs+=(python3-onnx python3-opencv)
command -v flatc >/dev/null || debs+=(flatbuffers-compiler)
command -v chromium >/dev/null || debs+=(chromium)
command -v qemu-aarch64-static >/dev/null || debs+=(qemu-user-static)
command -v aarch64-linux-gnu-as >/dev/null || debs+=(binutils-aarch64-linux-gnu)
[ -d /usr/share/libonnx-testdata ] || debs+=(libonnx-testdata)
for font in fonts-dejavu-core:DejaVuSans.ttf fonts-noto-core:NotoSans-Regular.ttf; do
  find /usr/share/fonts -name "${font#*:}" 2>/dev/null | grep -q . || debs+=("${font%:*}")
done
if [ ${#debs[@]} -gt 0 ]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${debs[@]}" >/dev/null
fi
