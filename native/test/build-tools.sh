#!/bin/sh
# Builds the tools of the integration suites into native/build/tools: each tools/NAME.c becomes one, with the other
# sources that its first line of includes names. Does nothing if they are newer than all sources.
set -eu
cd "$(dirname "$0")/tools"
out=${1:-../../build/tools}
cc=${CC:-cc}
mkdir -p "$out"

build() {
  name=$1
  shift
  if [ -x "$out/$name" ] && [ -z "$(find . ../build-tools.sh -type f -newer "$out/$name")" ]; then return 0; fi
  # Renamed into place: a tool that runs at this moment keeps its file, and two builds at once do no harm.
  "$cc" -std=c11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Wconversion -Werror ${CFLAGS:-} -pthread -o "$out/$name.$$" "$@"
  mv "$out/$name.$$" "$out/$name"
}

build impair impair.c harm.c hold.c outer.c ring.c options.c
build integrity integrity.c stream.c socket.c tcp.c udp.c options.c
build fd-store fd-store.c
build bad-offload bad-offload.c
build forge-mtu forge-mtu.c
build plain-proxy plain-proxy.c
