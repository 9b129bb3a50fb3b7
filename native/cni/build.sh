#!/bin/sh
# Builds the CNI plugin of one architecture into FOLDER with the compiler $CC: build.sh FOLDER. `cni-client` is the plugin
# but for its script, `cni-launcher` the one of the image. Both are static, and two builds are equal. Without a C compiler
# or a static C library the script alone is the plugin, so that is a warning.
set -eu
cd "$(dirname "$0")/../.."
cc=${CC:-cc} out=$1
without() {
  echo "native/cni/build.sh: $1: containers wait for a start of Node each; $2" >&2
  exit 0
}
command -v "$cc" >/dev/null || without "no C compiler ($cc)" 'install gcc to change that'
echo 'int main(void) { return 0; }' | "$cc" -static -x c -o /dev/null - 2>/dev/null ||
  without "$cc cannot link statically" 'install the static C library to change that (Debian: libc6-dev)'
mkdir -p "$out"
core='native/cni/main.c native/cni/session.c native/cni/step.c native/cni/rights.c native/cni/run.c'
core="$core native/cni/files.c native/cni/frame.c"
for program in client:script launcher:launcher; do
  "$cc" -std=c11 -D_GNU_SOURCE -Os -static -s -Wall -Wextra -Wconversion -Werror -Wl,--build-id=none -Inative \
    -o "$out/cni-${program%:*}.new" $core "native/cni/${program#*:}.c"
  mv "$out/cni-${program%:*}.new" "$out/cni-${program%:*}"
done
