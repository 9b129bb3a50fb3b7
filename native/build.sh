#!/bin/sh
# Builds native/build/weft.node. Node-API is stable across Node releases, so one build serves them all; its headers
# come from npm and nothing is downloaded. Without a C compiler weft still runs, so that is a warning.
set -eu
cd "$(dirname "$0")/.."
cc=${CC:-cc}
if ! command -v "$cc" >/dev/null; then
  echo "native/build.sh: no C compiler ($cc): weft runs without its addon; install gcc to have it" >&2
  exit 0
fi
mkdir -p native/build
# Renamed into place, so that a process that has the old file mapped keeps it.
"$cc" -std=c11 -D_GNU_SOURCE -DNAPI_VERSION=8 -O2 -Wall -Wextra -Wconversion -Werror -fPIC -fvisibility=hidden \
  -pthread -shared -Inode_modules/node-api-headers/include -o native/build/weft.node.new native/src/*.c native/path/*.c
mv native/build/weft.node.new native/build/weft.node
