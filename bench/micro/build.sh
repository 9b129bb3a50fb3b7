#!/bin/sh
# Builds the benchmark of the packet path's functions: build.sh FILE. The sources of the addon, with its flags (native/build.sh).
set -eu
out=$1
case $out in /*) ;; *) out=$PWD/$out ;; esac
cd "$(dirname "$0")/../.."
mkdir -p "$(dirname "$out")"
"${CC:-cc}" -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -Wconversion -Werror -fPIC -fvisibility=hidden -pthread \
  -Inative -o "$out" bench/micro/micro.c native/packet/*.c native/route/*.c
