#!/bin/sh
# Builds native/build/weft-oracle.node: the pure C functions of the packet path, each callable by itself. Tests only.
set -eu
cd "$(dirname "$0")/../.."
cc=${CC:-cc}
if ! command -v "$cc" >/dev/null; then
  echo "native/test/build-oracle.sh: no C compiler ($cc): install gcc to compare the packet path with its specification" >&2
  exit 0
fi
mkdir -p native/build
# Bounds are checked by the C tests under ASan; here undefined behaviour traps, which costs little.
"$cc" -std=c11 -D_GNU_SOURCE -DNAPI_VERSION=8 -O1 -g -Wall -Wextra -Wconversion -Werror -fPIC -fvisibility=hidden \
  -fsanitize=undefined -fsanitize-undefined-trap-on-error -pthread -shared -Inode_modules/node-api-headers/include \
  -Inative -o native/build/weft-oracle.node.new native/test/oracle-binding.c native/packet/*.c native/route/*.c
mv native/build/weft-oracle.node.new native/build/weft-oracle.node
