#!/bin/sh
# Builds the addon: build.sh [FILE], default native/build/weft.node, with the compiler $CC. Node-API is stable across Node
# releases, so one build serves them all; its headers come from npm and nothing is downloaded. Without a C compiler weft
# still runs, but for its userspace packet path, so that is a warning.
set -eu
cd "$(dirname "$0")/.."
cc=${CC:-cc}
out=${1:-native/build/weft.node}
if ! command -v "$cc" >/dev/null; then
  echo "native/build.sh: no C compiler ($cc): weft runs without its addon; install gcc to have it" >&2
  exit 0
fi
mkdir -p "$(dirname "$out")"
# Renamed into place, so that a process that has the old file mapped keeps it.
"$cc" -std=c11 -D_GNU_SOURCE -DNAPI_VERSION=8 -O2 -Wall -Wextra -Wconversion -Werror -fPIC -fvisibility=hidden \
  -pthread -shared -Inode_modules/node-api-headers/include -Inative -o "$out.new" \
  native/src/*.c native/packet/*.c native/route/*.c native/bpf/*.c native/probe/*.c native/path/*.c
mv "$out.new" "$out"
